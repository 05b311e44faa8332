-- Takes locks in the order given, up to the first that another owner holds, and puts the owner
-- into the queue of that one.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] the TTL of the locks taken, and of a queue, in milliseconds
--
-- Returns {left, last, token, ..., note, ...}: one token for each lock taken, then, if the
-- previous holder of any of these left a note, one note for each. If not all were taken, left
-- is the time in milliseconds that the first one not taken has left (-1: for ever), and last
-- the latest token of its counter: a message with a larger token, which says that the lock
-- was passed on, was sent after this answer.
--
-- It may be sent twice. An owner that asks again, because it does not know whether the first
-- request arrived or because the lock was passed on to it, finds its lock and keeps its
-- token.
local owner, ttl = ARGV[1], ARGV[2]

-- queueUp puts the owner into the queue, unless it is there, and renews the queue's TTL. It
-- reports whether the owner was put into an empty queue.
local function queueUp(queue)
  local first = not call('LPOS', queue, owner) and call('RPUSH', queue, owner) == 1
  call('PEXPIRE', queue, ttl)
  return first
end

-- want notifies a lock's holder, named in the lock's value, that others wait.
local function want(lock, value)
  local holder = string.match(value, '^(.*:%w+:%d+)|%d+|%d+$')
    or string.match(value, '^(.*:%w+:%d+)|[^|:]*|%d+|%d+$')
  if holder then -- otherwise the lock was made by hand
    tell(holder, lock, '0', '')
  end
end

-- take returns the owner's token and the note for it, or nothing if it has to wait.
local function take(lock, queue, counter)
  local both = call('MGET', lock, counter)
  local value, last = both[1], both[2]
  if not value then
    -- If others wait, it has expired: its holder died, or the waiter that it was passed to did
    -- not show up, and any number in the queue may be dead or paused, too. So the owner that
    -- asks, which is alive, gets it, and the queue begins anew: those that are alive ask again
    -- within half the hand-over TTL.
    call('DEL', queue)
    return (grant(lock, counter, last, owner, ttl, '')), ''
  end
  if isHeldBy(value, owner) then
    call('PEXPIRE', lock, ttl)
    local note, token = string.match(value, '^|?([^|]*)|(%d+)|%d+$', #owner + 1)
    return tonumber(token), note
  end
  -- Only the first waiter notifies the holder: an owner that had to wait takes it that others
  -- wait behind it.
  if queueUp(queue) then
    want(lock, value)
  end
end

local reply, notes, noted = {0, 0}, {}, false
for i = 1, #KEYS, 3 do
  local token, note = take(KEYS[i], KEYS[i + 1], KEYS[i + 2])
  if not token then
    reply[1] = call('PTTL', KEYS[i])
    reply[2] = tonumber(call('GET', KEYS[i + 2]) or 0)
    break
  end
  reply[#reply + 1] = token
  notes[#notes + 1] = note
  noted = noted or note ~= ''
end
for i = 1, noted and #notes or 0 do
  reply[#reply + 1] = notes[i]
end
return reply
