-- What the other scripts share: this text is put before each of them.
--
-- A lock is a string, "owner|token|since" or "owner|note|token|since": the lease that holds
-- it, its fencing token, when it was granted, in microseconds of this server's clock, and the
-- previous holder's note, if it left one: a text without a bar, colon or line feed. The lock
-- expires unless its holder renews it. A service replica of an older version, which knows of
-- no notes, still finds the token in its place.
--
-- A queue is a list of the owners that wait for one lock, in order of arrival. Each renews it
-- by asking again from time to time, so that it expires after the last of them.
--
-- An owner is "replica:process:number", unique for each lease; a process receives the
-- messages for its owners on the channel "orderd:wake:process".
local call, format = redis.call, string.format

-- grant gives a lock to an owner, for a number of milliseconds, and returns the token: one
-- that is larger than all before, as a number and in digits. last is the counter's value, if
-- there is one, and note the previous holder's note, or ''. Tokens follow the clock, so that
-- they still grow after the server has lost its data, or its latest writes in a failover.
local function grant(lock, counter, last, owner, milliseconds, note)
  local time = call('TIME')
  -- Concatenated as text: formatting a number takes as long as a command.
  local now = time[1] .. string.sub('00000' .. time[2], -6)
  local token, digits = tonumber(now), now
  if last and tonumber(last) >= token then
    token = last + 1
    digits = format('%.0f', token) -- not in scientific notation
  end
  call('SET', counter, digits)
  local holder = note == '' and owner or owner .. '|' .. note
  call('SET', lock, holder .. '|' .. digits .. '|' .. now, 'PX', milliseconds)
  return token, digits
end

-- isHeldBy reports whether a lock with this value is the owner's.
local function isHeldBy(value, owner)
  return value and string.sub(value, 1, #owner + 1) == owner .. '|'
end

-- tell sends an owner a message about a lock: with the digits of a token, that the lock is
-- now its own; with '0', that others want it. The message is "token|length of owner|" and
-- then, without anything between them, the owner and the lock, and after a line feed the note
-- if there is one. It returns how many subscribers on this server received it.
local function tell(owner, lock, digits, note)
  local channel = 'orderd:wake:' .. string.match(owner, ':(%w+):%d+$')
  local message = digits .. '|' .. #owner .. '|' .. owner .. lock
  return call('PUBLISH', channel, note == '' and message or message .. '\n' .. note)
end
