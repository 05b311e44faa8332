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
local owner, claim, clustered = ARGV[1], ARGV[2], ARGV[3]

-- pass grants a lock to the longest waiter, with the note, for the hand-over TTL: a short
-- time, in which the waiter has to show that it is alive, by a renewal or an acquire. It
-- returns false if there is no waiter left that is alive; the lock may then be granted to a
-- dead one, and the caller has to overwrite or delete it. last is the token counter's value.
--
-- A process that nobody hears on its channel is dead, or will ask again once it is back. In a
-- Cluster a server knows only its own subscribers, so there a dead waiter keeps the lock
-- until the hand-over TTL is over.
local function pass(lock, queue, counter, last, note)
  while true do
    local waiter = call('LPOP', queue)
    if not waiter then
      return false
    end
    local digits
    last, digits = grant(lock, counter, last, waiter, claim, note)
    if tell(waiter, lock, digits, note) > 0 or clustered == '1' then
      return true
    end
  end
end

local reply = {0, 0}
for i = 1, #KEYS, 3 do
  local lock, queue, counter = KEYS[i], KEYS[i + 1], KEYS[i + 2]
  local both = call('MGET', lock, counter)
  if isHeldBy(both[1], owner) then
    reply[1] = reply[1] + 1
    local place = (i - 1) / 3
    local note = ARGV[4 + place]
    local left = note and call('PTTL', lock)
    if not pass(lock, queue, counter, both[2], note or '') then
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
