-- Takes a lock from its holder if their token is below a limit.
--
-- KEYS[1] the lock
-- ARGV[1] the limit
--
-- Returns 1 if it was, -1 if the holder's token is not below, 0 without holder.
local value = redis.call('GET', KEYS[1])
if not value then
  return 0
end
if tonumber(string.match(value, '|%-?(%d+)|%d+$')) < tonumber(ARGV[1]) then
  return redis.call('DEL', KEYS[1])
end
return -1
