-- Keeps the newest known level of one SKU.
-- KEYS[1]  the SKU's hash
-- ARGV[1]  level in units, ARGV[2] version of that level, ARGV[3] guard
-- Answers 1 if the level was kept, 0 if the one there is as new or newer: two replicas may write
-- back in another order than they committed in, and the version tells which level is the later.
--
-- What is not a whole level counts as none, here and wherever levels are read, and so does what is no hash.
local known = redis.pcall('HMGET', KEYS[1], 'level', 'version', 'guard')
if known.err then
	redis.call('DEL', KEYS[1])
	known = {}
end
local level, version, guard = known[1], known[2], known[3]
local digits = '^-?%d+$'
if level and guard and (tonumber(version) or -1) >= tonumber(ARGV[2])
	and string.match(level, digits) and string.match(version, digits) then
	return 0
end
redis.call('HSET', KEYS[1], 'level', ARGV[1], 'version', ARGV[2], 'guard', ARGV[3])
return 1
