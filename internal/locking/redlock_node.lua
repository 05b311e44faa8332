-- What the other scripts of redlock share: this text comes before each of
-- theirs. They run on one of several independent servers.
--
-- A lock is a string, "owner|token|since": the attempt that took it, its
-- fencing token, and when this server granted it, in microseconds. It expires
-- unless it is renewed. Until a quorum has granted the lock, the token is this
-- server's own, with a minus before it.

-- now returns this server's time in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Numbers as integers, and not in the scientific notation of tostring.
local function digits(number)
  return string.format('%.0f', number)
end

-- mint returns a number that is larger than all before on this server, and no
-- smaller than least. It follows the clock, so that it still is after the
-- server has lost its data. One counter serves all locks: a counter for each
-- would outlive its lock, and they would pile up for ever.
local function mint(counter, least)
  local token = math.max(tonumber(redis.call('GET', counter) or 0) + 1, now(), least)
  redis.call('SET', counter, digits(token))
  return token
end

-- holds returns an owner's token, and since when, if the lock's value says that
-- it is theirs.
local function holds(value, owner)
  if value and string.sub(value, 1, #owner + 1) == owner .. '|' then
    local token, since = string.match(value, '|%-?(%d+)|(%d+)$')
    return tonumber(token), since
  end
end
