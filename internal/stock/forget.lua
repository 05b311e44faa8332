-- Removes the level of one SKU if it is still the one that was found wrong, or if it is
-- invalid.
-- KEYS[1]  the SKU's hash
-- ARGV[1]  level in units, ARGV[2] version of that level, ARGV[3] guard
-- Returns 1 if something was removed, 0 if there was nothing or another level has replaced it.
local known = redis.pcall('HMGET', KEYS[1], 'level', 'version', 'guard') -- not a hash: an error, which has no fields
local function number(s) return s and #s <= 18 and string.match(s, '^-?%d+$') and tonumber(s) end -- more overflow a reader
local level, version, guard = number(known[1]), number(known[2]), known[3]
if level and version and guard
	and not (level == tonumber(ARGV[1]) and version == tonumber(ARGV[2]) and guard == ARGV[3]) then
	return 0
end
return redis.call('DEL', KEYS[1])
