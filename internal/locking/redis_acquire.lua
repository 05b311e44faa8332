-- Takes locks in the order given, up to the first that somebody else holds or
-- is waiting for, and puts the owner into that one's queue.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] for how long the locks are taken, and a queue is kept, in milliseconds
-- ARGV[3] the claim: how long whoever is next has to come, in milliseconds
-- ARGV[4] 1 in a Cluster
--
-- Returns {wait, token, ...}: one token for each lock taken, and, if not all
-- were, the milliseconds that the first one not taken has left (-1: for ever).
--
-- It may be sent twice. An owner that asks again, not knowing whether the first
-- request arrived, or because it was told that its turn has come, finds its
-- lock and keeps its token.
local owner, ttl, claim, clustered = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

local function queueUp(queue)
  if not redis.call('LPOS', queue, owner) then
    redis.call('RPUSH', queue, owner)
  end
  redis.call('PEXPIRE', queue, ttl)
end

-- take returns the owner's token, or nothing if it has to wait.
local function take(lock, queue, counter)
  local value = redis.call('GET', lock)
  if not value then
    if redis.call('EXISTS', queue) == 0 then
      return grant(lock, counter, owner, ttl)
    end
    -- It expired under its holder, and others wait. Those who came first go
    -- first; if there is nobody of them, it is this owner's turn.
    queueUp(queue)
    if not pass(lock, queue, counter, claim, clustered) then
      return grant(lock, counter, owner, ttl)
    end
    value = redis.call('GET', lock)
  end
  local token = holds(value, owner)
  if token then
    redis.call('PEXPIRE', lock, ttl)
    return token
  end
  queueUp(queue)
end

local reply = {0}
for i = 1, #KEYS, 3 do
  local token = take(KEYS[i], KEYS[i + 1], KEYS[i + 2])
  if not token then
    reply[1] = redis.call('PTTL', KEYS[i])
    break
  end
  reply[#reply + 1] = token
end
return reply
