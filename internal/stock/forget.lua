-- Forgets the level of one SKU if it still is the one that was found to be wrong, or is none at all.
-- KEYS[1]  the SKU's hash
-- ARGV[1]  level in units, ARGV[2] version of that level, ARGV[3] guard
-- Answers 1 if something was forgotten, 0 if there was nothing or another level has come in its place.
local known = redis.pcall('HMGET', KEYS[1], 'level', 'version', 'guard') -- an error of what is no hash has no fields
local function number(s) return s and string.match(s, '^-?%d+$') and tonumber(s) end
local level, version, guard = number(known[1]), number(known[2]), known[3]
if level and version and guard
	and not (level == tonumber(ARGV[1]) and version == tonumber(ARGV[2]) and guard == ARGV[3]) then
	return 0
end
return redis.call('DEL', KEYS[1])
