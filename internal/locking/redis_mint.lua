-- Returns a token that is larger than all before.
--
-- KEYS[1] the token counter
return (mint(KEYS[1]))
