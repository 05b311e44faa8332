package main

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// ttl is how long a lock outlives its dead holder: redsync's default. No turn here lasts
// nearly as long.
const ttl = 8 * time.Second

// servers are where the contenders find their servers.
type servers struct {
	redis, zooKeeper string // host:port
	masters          string // host:port of each, with commas between
	postgres         string // URL
}

// A lock is one waiter's handle of the lock that all compete for.
type lock interface {
	Lock(ctx context.Context) error
	Unlock(ctx context.Context) error
}

// An opened contender has connected, or is about to.
type opened struct {
	lock  func(key string) lock
	close func()
}

// A contender is a lock to be measured.
type contender struct {
	about string // the options that were chosen
	open  func(s servers, waiters int) (opened, error)
}

// contenders are orderd's modes, public libraries, and two that lock nothing but measure a
// round trip.
var contenders = map[string]contender{
	"local":     {"orderd's; each process by itself", openLocal},
	"redis":     {"orderd's; fencing token and renewal included", openRedisMode},
	"zookeeper": {"orderd's; fencing token included; a process keeps its place in the queue for 20 ms if nobody else waits", openZooKeeperMode},
	"redlock":   {"orderd's; five masters, fencing token and renewal included", openRedlockMode},
	"postgres":  {"orderd's; a session for each waiter, fencing token included", openPostgresMode},

	"redsync":       {"default options (polls every 50 to 250 ms), but tries without end", openRedsync()},
	"redsync-5ms":   {"polls every 5 ms, tries without end", openRedsync(redsyncDelay(5 * time.Millisecond))},
	"redislock":     {"LinearBackoff(100ms), as its examples have it, until a deadline", openRedislock(100 * time.Millisecond)},
	"redislock-5ms": {"LinearBackoff(5ms) until a deadline", openRedislock(5 * time.Millisecond)},
	"rueidislock":   {"default options: two of three keys on the one server", openRueidislock(0)},
	"rueidislock-1": {"one key, and NoLoopTracking where the server has it (7.0.5), as its README has it for one server", openRueidislock(1)},
	"zk.Lock":       {"the client library's own recipe", openZKLock},

	"ping-redis":     {"PING", openRedisPing},
	"ping-zookeeper": {"Exists of the root", openZooKeeperPing},
}

func names() []string { return slices.Sorted(maps.Keys(contenders)) }

// libraries are the modules whose versions matter.
var libraries = []string{
	"github.com/go-redsync/redsync/v4", "github.com/bsm/redislock", "github.com/redis/rueidis", "github.com/go-zookeeper/zk",
	"github.com/redis/go-redis/v9",
}

// versions returns those with which this program was built.
func versions() map[string]string {
	found := map[string]string{}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return found
	}
	for _, d := range info.Deps {
		if slices.Contains(libraries, d.Path) {
			found[d.Path] = d.Version
		}
	}
	return found
}
