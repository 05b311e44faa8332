-- Ends an owner's part in locks: those that are still theirs are passed on, or
-- deleted if nobody waits; the queues of the others are left. It touches
-- nothing of anybody else's, and may be sent twice.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] the claim: how long whoever is next has to come, in milliseconds
-- ARGV[3] 1 in a Cluster
-- ARGV[4] and on, if at all: for each lock the note for whoever is next. Locks
--         that nobody waits for then stay the owner's.
--
-- Returns {locks that were the owner's, queues that the owner was in, place of a
-- lock that still is the owner's, ...}.
local owner = ARGV[1]
local reply = {0, 0}
for i = 1, #KEYS, 3 do
  local lock, queue, counter = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local both = call('MGET', lock, counter)
  if isHeldBy(both[1], owner) then
    reply[1] = reply[1] + 1
    local place = (i - 1) / 3
    local note = ARGV[4 + place]
    local left = note and call('PTTL', lock)
    if not pass(lock, queue, counter, both[2], ARGV[2], ARGV[3], note or '') then
      if note then
        call('SET', lock, both[1], 'PX', math.max(1, left)) -- pass may have given it to the dead
        reply[#reply + 1] = place
      else
        call('DEL', lock)
      end
    end
  else
    reply[2] = reply[2] + call('LREM', queue, 1, owner)
  end
end
return reply
