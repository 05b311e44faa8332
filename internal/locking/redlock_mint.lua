-- Returns a token that is larger than all before on this server.
--
-- KEYS[1] the token counter
-- ARGV[1] the smallest value allowed
return mint(KEYS[1], tonumber(ARGV[1]))
