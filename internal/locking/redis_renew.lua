-- Extends locks that the owner still holds; touches no others and creates none.
--
-- KEYS    for each lock three: the lock, its queue, its token counter
-- ARGV[1] the owner
-- ARGV[2] the TTL from now on, in milliseconds
--
-- Returns how many were the owner's.
local mine = 0
for i = 1, #KEYS, 3 do
  if isHeldBy(call('GET', KEYS[i]), ARGV[1]) then
    mine = mine + call('PEXPIRE', KEYS[i], ARGV[2])
  end
end
return mine
