package locking

// Names of what the modes store, for tests that look at it.
var (
	ZKFolder   = zkFolder
	RedisNames = redisNames
)

// Waiting returns how many hold the key or wait for it.
func (l *Local) Waiting(key string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiters, held := l.turns[key]
	if !held {
		return 0
	}
	return 1 + waiters.Len()
}
