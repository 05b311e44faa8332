-- Extends a lock that is still the owner's; touches no other and makes none.
--
-- KEYS[1] the lock
-- ARGV[1] the owner
-- ARGV[2] for how long from now, in milliseconds
--
-- Returns 1 if the lock was the owner's.
if holds(redis.call('GET', KEYS[1]), ARGV[1]) then
  return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
