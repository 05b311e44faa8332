-- Releases an owner's locks: those that it still holds are passed on, or deleted if nobody
-- waits; of the others it leaves the queues. It touches nothing that is not the owner's, and
-- may be sent twice.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] the hand-over TTL: how long a lock is kept for the waiter it is passed to, in milliseconds
-- ARGV[3] 1 in a Cluster
-- ARGV[4] and on, optional: for each lock the note for its next holder. Locks that have no waiter
--         then stay the owner's.
--
-- Returns {number of locks that were the owner's, number of queues that it was in, index from
-- 0 of a lock that still is the owner's, ...}.
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
        call('SET', lock, both[1], 'PX', math.max(1, left)) -- pass may have granted it to dead waiters
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
