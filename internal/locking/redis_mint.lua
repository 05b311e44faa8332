-- Returns a token that is larger than all before.
--
-- KEYS[1] the token counter
local time = call('TIME')
local token = math.max((call('GET', KEYS[1]) or 0) + 1, time[1] * 1000000 + time[2])
call('SET', KEYS[1], format('%.0f', token))
return token
