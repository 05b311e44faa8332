-- Stores the quorum's token in a lock that is still the owner's, and makes sure that this
-- server grants only larger ones.
--
-- KEYS[1] the lock
-- KEYS[2] the token counter
-- ARGV[1] the owner
-- ARGV[2] the token
--
-- Returns 1 if the lock was the owner's.
local token, since = holds(redis.call('GET', KEYS[1]), ARGV[1])
if not token then
  return 0
end
if tonumber(redis.call('GET', KEYS[2]) or 0) < tonumber(ARGV[2]) then
  redis.call('SET', KEYS[2], ARGV[2])
end
redis.call('SET', KEYS[1], ARGV[1] .. '|' .. ARGV[2] .. '|' .. since, 'KEEPTTL')
return 1
