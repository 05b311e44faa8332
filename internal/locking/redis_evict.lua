-- Takes a lock from whoever holds it with a token below a limit.
--
-- KEYS    the lock, its queue, its token counter
-- ARGV[1] the limit
-- ARGV[2] the claim: how long whoever is next has to come, in milliseconds
-- ARGV[3] 1 in a Cluster
--
-- Returns 1 if there was such a holder, else 0.
local value = redis.call('GET', KEYS[1])
local token = value and tonumber(string.match(value, '|(%d+)|%d+$'))
if not token or token >= tonumber(ARGV[1]) then
  return 0
end
if not pass(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3]) then
  redis.call('DEL', KEYS[1])
end
return 1
