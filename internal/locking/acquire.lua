-- Takes locks in the order given, up to the first that somebody else holds.
--
-- KEYS[1]   the token counter
-- KEYS[2..] the locks
-- ARGV[1]   the owner: unique for each lease
-- ARGV[2]   for how long, in milliseconds
--
-- Returns {wait, token, ...}: one token for each lock taken, and, if not all
-- were, the milliseconds that the first one not taken has left (-1: for ever).
--
-- A lock's value is "owner|token". An owner that asks again, not knowing
-- whether its first request arrived, finds its lock and keeps its token.
--
-- One counter serves all locks: a counter for each would outlive its lock and
-- they would pile up for ever. It follows the clock so that tokens still grow
-- after the server has lost its data.
local owner, ttl = ARGV[1], ARGV[2]
local prefix = owner .. '|'
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = tonumber(redis.call('GET', KEYS[1]) or 0)
local before = last
local reply = {0}

for i = 2, #KEYS do
  local value = redis.call('GET', KEYS[i])
  local token
  if not value then
    last = math.max(last + 1, now)
    token = last
    -- Not in scientific notation, which tostring would use.
    redis.call('SET', KEYS[i], prefix .. string.format('%.0f', token), 'NX', 'PX', ttl)
  elseif string.sub(value, 1, #prefix) == prefix then
    token = tonumber(string.sub(value, #prefix + 1))
    redis.call('PEXPIRE', KEYS[i], ttl)
  else
    reply[1] = redis.call('PTTL', KEYS[i])
    break
  end
  reply[#reply + 1] = token
end

if last > before then
  redis.call('SET', KEYS[1], string.format('%.0f', last))
end
return reply
