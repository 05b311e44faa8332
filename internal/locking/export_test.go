package locking

// Names of what the modes store, for tests that look at it.
var (
	ZKFolder   = zkFolder
	RedisNames = redisNames
)
