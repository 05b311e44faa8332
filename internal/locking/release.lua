-- Deletes locks that are still the owner's; touches no other.
--
-- KEYS    the locks
-- ARGV[1] the owner
--
-- Returns how many were the owner's.
local prefix = ARGV[1] .. '|'
local mine = 0
for _, key in ipairs(KEYS) do
  local value = redis.call('GET', key)
  if value and string.sub(value, 1, #prefix) == prefix then
    mine = mine + redis.call('DEL', key)
  end
end
return mine
