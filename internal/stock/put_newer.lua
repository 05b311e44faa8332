-- Writes the level of one SKU unless the one there is as new or newer.
-- KEYS[1]  the SKU's hash
-- ARGV[1]  level in units, ARGV[2] version of that level, ARGV[3] guard
-- Returns 1 if the level was written, 0 if the one there is as new or newer: two replicas may
-- write back in another order than they committed in, and the version tells which level is
-- later.
--
-- A key that is no hash, or holds no whole level, counts as missing here and wherever levels
-- are read.
local known = redis.pcall('HMGET', KEYS[1], 'level', 'version', 'guard')
if known.err then
	redis.call('DEL', KEYS[1])
	known = {}
end
local level, version, guard = known[1], known[2], known[3]
local digits = '^-?%d+$'
if level and guard and (tonumber(version) or -1) >= tonumber(ARGV[2])
	and #level <= 18 and #version <= 18 -- more overflow a reader
	and string.match(level, digits) and string.match(version, digits) then
	return 0
end
redis.call('HSET', KEYS[1], 'level', ARGV[1], 'version', ARGV[2], 'guard', ARGV[3])
return 1
