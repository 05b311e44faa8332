-- What the other scripts share: this text comes before each of theirs.
--
-- A lock is a string, "owner|token|since": the lease that holds it, its fencing
-- token, and when it was granted, in microseconds of this server's clock. It
-- expires unless its holder renews it.
--
-- A queue is a list of owners who wait for one lock, first come first. It
-- expires with the last of them: they ask again from time to time.
--
-- An owner is "replica:process:number", unique for each lease; a process hears
-- of its owners' turns on the channel "orderd:wake:process".

-- now returns this server's time in microseconds.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

-- Numbers as integers, and not in the scientific notation of tostring.
local function digits(number)
  return string.format('%.0f', number)
end

-- mint returns a token that is larger than all before, and the time. Tokens
-- follow the clock, so that they still grow after the server has lost its data,
-- or the last of it in a failover.
local function mint(counter)
  local clock = now()
  local token = math.max((redis.call('GET', counter) or 0) + 1, clock)
  redis.call('SET', counter, digits(token))
  return token, clock
end

-- grant gives a lock to an owner, for a number of milliseconds.
local function grant(lock, counter, owner, milliseconds)
  local token, since = mint(counter)
  redis.call('SET', lock, string.format('%s|%.0f|%.0f', owner, token, since), 'PX', milliseconds)
  return token
end

-- holds returns an owner's token if the lock's value says that it is theirs.
local function holds(value, owner)
  if value and string.sub(value, 1, #owner + 1) == owner .. '|' then
    return tonumber(string.match(value, '|(%d+)|%d+$'))
  end
end

-- pass gives a lock to whoever waits longest, for the claim: the time in which
-- they have to come and say that they are there. It reports false if nobody
-- waits; the lock is then left as it was.
--
-- A process that nobody hears on its channel is dead, or will ask again once
-- it is back. In a Cluster a server knows of its own listeners alone, so that
-- there the claim has to find that out.
local function pass(lock, queue, counter, claim, clustered)
  while true do
    local owner = redis.call('LPOP', queue)
    if not owner then
      return false
    end
    local channel = 'orderd:wake:' .. string.match(owner, ':(%w+):%d+$')
    if redis.call('PUBLISH', channel, owner) > 0 or clustered == '1' then
      grant(lock, counter, owner, claim)
      return true
    end
  end
end
