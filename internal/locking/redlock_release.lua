-- Deletes locks that are still their owners'; may be sent twice.
--
-- KEYS the locks
-- ARGV for each of them its owner
--
-- Returns for each 1 if it was the owner's.
local mine = {}
for i, lock in ipairs(KEYS) do
  mine[i] = 0
  if holds(redis.call('GET', lock), ARGV[i]) then
    mine[i] = redis.call('DEL', lock)
  end
end
return mine
