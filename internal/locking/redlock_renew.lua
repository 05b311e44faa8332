-- Extends a lock that the owner still holds; touches no others and creates none.
--
-- KEYS[1] the lock
-- ARGV[1] the owner
-- ARGV[2] the TTL from now on, in milliseconds
--
-- Returns 1 if the lock was the owner's.
if holds(redis.call('GET', KEYS[1]), ARGV[1]) then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
