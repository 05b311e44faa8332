-- Takes locks in the order given, up to the first that somebody else holds or
-- is waiting for, and puts the owner into that one's queue.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] for how long the locks are taken, and a queue is kept, in milliseconds
-- ARGV[3] the claim: how long whoever is next has to come, in milliseconds
-- ARGV[4] 1 in a Cluster
--
-- Returns {wait, last, token, ..., note, ...}: one token for each lock taken, then,
-- if any of these has one, what the holder before has left with each; and, if not
-- all were taken, the milliseconds that the first one not taken has left (-1: for
-- ever) and the last token that was minted where it is: a message that the lock has
-- been passed on comes after this answer if its token is larger.
--
-- It may be sent twice. An owner that asks again, not knowing whether the first
-- request arrived, or because it was told that its turn has come, finds its
-- lock and keeps its token.
local owner, ttl, claim, clustered = ARGV[1], ARGV[2], ARGV[3], ARGV[4]

-- queueUp reports whether the owner is the first who waits, and was not there
-- before.
local function queueUp(queue)
  local first = not call('LPOS', queue, owner) and call('RPUSH', queue, owner) == 1
  call('PEXPIRE', queue, ttl)
  return first
end

-- take returns the owner's token and the note for it, or nothing if it has to wait.
local function take(lock, queue, counter)
  local both = call('MGET', lock, counter)
  local value, last = both[1], both[2]
  if not value then
    if call('EXISTS', queue) == 0 then
      return (grant(lock, counter, last, owner, ttl, '')), ''
    end
    -- It expired under its holder, and others wait. Those who came first go
    -- first; if there is nobody of them, it is this owner's turn.
    queueUp(queue)
    if not pass(lock, queue, counter, last, claim, clustered, '') then
      return (grant(lock, counter, call('GET', counter), owner, ttl, '')), ''
    end
    value = call('GET', lock)
  end
  if isHeldBy(value, owner) then
    call('PEXPIRE', lock, ttl)
    local note, token = string.match(value, '^|?([^|]*)|(%d+)|%d+$', #owner + 1)
    return tonumber(token), note
  end
  -- The first tells the holder for all: who is passed a lock that others wait for takes
  -- it that it is wanted.
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
