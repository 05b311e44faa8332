-- What the other scripts share: this text comes before each of theirs.
--
-- A lock is a string, "owner|token|since" or "owner|note|token|since": the lease
-- that holds it, its fencing token, when it was granted, in microseconds of this
-- server's clock, and what the holder before has left for this one, if anything: a
-- text without a bar, colon or line feed. The lock expires unless its holder renews
-- it. A replica of a version that knows of no notes finds its token where it was.
--
-- A queue is a list of owners who wait for one lock, first come first. It
-- expires with the last of them: they ask again from time to time.
--
-- An owner is "replica:process:number", unique for each lease; a process hears
-- of its owners' turns on the channel "orderd:wake:process".
local call, format = redis.call, string.format

-- grant gives a lock to an owner, for a number of milliseconds, and returns the
-- token: one that is larger than all before, as a number and in digits. last is the
-- counter's value, if there is one, and note what the holder before has left. Tokens
-- follow the clock, so that they still grow after the server has lost its data, or the
-- last of it in a failover.
local function grant(lock, counter, last, owner, milliseconds, note)
  local time = call('TIME')
  -- Put together as text: to format a number takes as long as a command.
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

-- isHeldBy says whether a lock's value says that it is the owner's.
local function isHeldBy(value, owner)
  return value and string.sub(value, 1, #owner + 1) == owner .. '|'
end

-- tell sends an owner a message about a lock: with the digits of a token, that it is
-- theirs; with those of 0, that others want it. The message is "token|length of owner|owner lock", and
-- behind that, after a line feed, the note if there is one. It returns how many heard
-- it on this server.
local function tell(owner, lock, digits, note)
  local channel = 'orderd:wake:' .. string.match(owner, ':(%w+):%d+$')
  local message = digits .. '|' .. #owner .. '|' .. owner .. lock
  return call('PUBLISH', channel, note == '' and message or message .. '\n' .. note)
end

-- want tells a lock's holder, by the lock's value, that somebody waits.
local function want(lock, value)
  local holder = string.match(value, '^(.*:%w+:%d+)|%d+|%d+$')
    or string.match(value, '^(.*:%w+:%d+)|[^|:]*|%d+|%d+$')
  if holder then -- else somebody has made it by hand
    tell(holder, lock, '0', '')
  end
end

-- pass gives a lock to whoever waits longest, for the claim: a short time, until
-- they have said that they are there, and the note with it. It reports false if
-- nobody waits; the lock may then be that of one who is dead, and the caller has to
-- say whose it is. last is the token counter's value.
--
-- A process that nobody hears on its channel is dead, or will ask again once
-- it is back. In a Cluster a server knows of its own listeners alone, so that
-- there the claim has to find that out.
local function pass(lock, queue, counter, last, claim, clustered, note)
  while true do
    local owner = call('LPOP', queue)
    if not owner then
      return false
    end
    local digits
    last, digits = grant(lock, counter, last, owner, claim, note)
    if tell(owner, lock, digits, note) > 0 or clustered == '1' then
      return true
    end
  end
end
