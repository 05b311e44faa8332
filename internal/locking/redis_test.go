package locking_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestNewRedis_refusesBadSettings(t *testing.T) {
	t.Parallel()
	refusesBadSettings(t, locking.NewRedis, func() locking.RedisConfig {
		server := &redis.UniversalOptions{Addrs: []string{"127.0.0.1:1"}}
		return locking.RedisConfig{Server: server, TTL: time.Second, Owner: "a"}
	}, map[string]func(*locking.RedisConfig){
		"no server":     func(c *locking.RedisConfig) { c.Server = nil },
		"no address":    func(c *locking.RedisConfig) { c.Server = &redis.UniversalOptions{} },
		"no such acks":  func(c *locking.RedisConfig) { c.Acks = -1 },
		"no TTL":        func(c *locking.RedisConfig) { c.TTL = 0 },
		"too short TTL": func(c *locking.RedisConfig) { c.TTL = time.Millisecond },
		"no owner":      func(c *locking.RedisConfig) { c.Owner = "" },
	})
}

// The stores that check tokens remember them even when the server has lost its data.
func TestRedis_tokensGrowAfterTheServerLostItsData(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, ttl), redisClient(t, url)
	var last int64
	for range 3 {
		lease := mustHold(t, l, "a", "b")
		if a, b := lease.Token("a"), lease.Token("b"); a <= last || b <= last || a == b {
			t.Errorf("tokens %d and %d after %d", a, b, last)
		}
		last = max(lease.Token("a"), lease.Token("b"))
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		_ = lease.Release(t.Context())
	}
}

// Tokens grow even if the server's clock is behind.
func TestRedis_tokensGrowThoughTheClockIsBehind(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, ttl), redisClient(t, url)
	_, _, counter := locking.RedisNames("a")
	const ahead = 9_000_000_000_000_000 // near the end of what a script can count
	if err := client.Set(t.Context(), counter, ahead, 0).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range int64(3) {
		lease := mustHold(t, l, "a")
		if got, want := lease.Token("a"), int64(ahead)+1+i; got != want {
			t.Errorf("Token() = %d, want %d", got, want)
		}
		lockingtest.MustRelease(t, lease)
	}
}

// An operator who looks at a lock sees whose it is, and that it will end.
func TestRedis_locksNameTheirOwnerAndEnd(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, ttl), redisClient(t, url)
	lease := mustHold(t, l, "a")
	key, _, _ := locking.RedisNames("a")
	if value := client.Get(t.Context(), key).Val(); !strings.HasPrefix(value, "test:") {
		t.Errorf("the lock's value is %q, want the owner's", value)
	}
	if left := client.PTTL(t.Context(), key).Val(); left <= 0 || left > ttl {
		t.Errorf("the lock has %v left, want up to %v", left, ttl)
	}
	lockingtest.MustRelease(t, lease)
	if keys := client.Keys(t.Context(), "*").Val(); len(keys) != 1 {
		t.Errorf("what is left is %q, want the token counter alone", keys)
	}
}
