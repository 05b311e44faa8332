-- Extends locks that are still the owner's; touches no other and makes none.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] for how long from now, in milliseconds
--
-- Returns how many were the owner's.
local mine = 0
for i = 1, #KEYS, 3 do
  if isHeldBy(call('GET', KEYS[i]), ARGV[1]) then
    mine = mine + call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
return mine
