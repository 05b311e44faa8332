-- Extends locks that are still the owner's; touches no other and makes none.
--
-- KEYS    the locks
-- ARGV[1] the owner
-- ARGV[2] for how long from now, in milliseconds
--
-- Returns how many were the owner's.
local prefix = ARGV[1] .. '|'
local mine = 0
for _, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  if value and string.sub(value, 1, #prefix) == prefix then
    mine = mine + redis.call('PEXPIRE', key, ARGV[2])
  end
end
return mine
