-- Takes a lock if it is free.
--
-- KEYS[1] the lock
-- KEYS[2] the token counter
-- ARGV[1] the owner: unique for each attempt
-- ARGV[2] the TTL, in milliseconds
--
-- Returns this server's token, or 0 if another owner holds the lock. An owner that asks
-- again, because it does not know whether the first request arrived, finds its lock.
local value = redis.call('GET', KEYS[1])
local token = holds(value, ARGV[1])
if token then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif value then
  return 0
else
  token = mint(KEYS[2], 0)
  redis.call('SET', KEYS[1], ARGV[1] .. '|-' .. digits(token) .. '|' .. digits(now()), 'PX', ARGV[2])
end
return token
