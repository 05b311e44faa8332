-- What the other scripts of redlock share: this text is put before each of them. They run on
-- one of several independent servers.
--
-- A lock is a string, "owner|token|since": the attempt that took it, its fencing token, and
-- when this server granted it, in microseconds. It expires unless it is renewed. Until a
-- quorum has granted the lock, the token is this server's own, with a minus sign before it.

-- now returns this server's time in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- digits formats a number as an integer, not in the scientific notation of tostring.
local function digits(number)
  return string.format('%.0f', number)
end

-- mint returns a number that is larger than all before on this server, and no smaller than
-- least. It follows the clock, so that this still holds after the server has lost its data.
-- One counter serves all locks: a counter per lock would outlive it, and they would pile up.
local function mint(counter, least)
  local token = math.max(tonumber(redis.call('GET', counter) or 0) + 1, now(), least)
  redis.call('SET', counter, digits(token))
  return token
end

-- holds returns the lock's token, and since when it is held, if its value says that it is the
-- owner's.
local function holds(value, owner)
  if value and string.sub(value, 1, #owner + 1) == owner .. '|' then
    local token, since = string.match(value, '|%-?(%d+)|(%d+)$')
    return tonumber(token), since
  end
end
