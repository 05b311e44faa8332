package locking

// Names of what the modes store, for tests that look at it.
var (
	ZKFolder   = zkFolder
	RedisNames = redisNames
)

// WokenByTurn returns how many waiters were told that it is their turn.
func WokenByTurn(r *Redis) int64 { return r.woken(wakeTurn) }

// WokenByReconnect returns how many waiters were told to ask again after the
// connection that they hear on was lost.
func WokenByReconnect(r *Redis) int64 { return r.woken(wakeReconnect) }
