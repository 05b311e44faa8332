package order

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// OneLane makes all orders wait in one lane, however many processors there are.
func (l *Lanes) OneLane() { l.lanes = l.lanes[:1] }

// OpenRedisLocks opens a Redis locker for replica r1.
func OpenRedisLocks(t *testing.T, url string, ttl time.Duration) locking.Locker {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	locks, err := locking.NewRedis(locking.RedisConfig{
		Server: &redis.UniversalOptions{Addrs: []string{options.Addr}, DB: options.DB},
		TTL:    ttl, Owner: "r1",
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = locks.Close() })
	return locks
}
