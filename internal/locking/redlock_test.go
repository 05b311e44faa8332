package locking_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

func TestNewRedlock_refusesBadSettings(t *testing.T) {
	t.Parallel()
	refusesBadSettings(t, locking.NewRedlock, func() locking.RedlockConfig {
		return locking.RedlockConfig{
			Masters: masterOptions([]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}), TTL: time.Second, Owner: "a",
		}
	}, map[string]func(*locking.RedlockConfig){
		"no master":              func(c *locking.RedlockConfig) { c.Masters = nil },
		"a master of no address": func(c *locking.RedlockConfig) { c.Masters[1] = &redis.UniversalOptions{} },
		"no settings":            func(c *locking.RedlockConfig) { c.Masters[1] = nil },
		"a Cluster":              func(c *locking.RedlockConfig) { c.Masters[1].IsClusterMode = true },
		"a Cluster by addresses": func(c *locking.RedlockConfig) { c.Masters[1].Addrs = []string{"a:1", "b:1"} },
		"a master twice":         func(c *locking.RedlockConfig) { c.Masters[1] = c.Masters[0] },
		"no TTL":                 func(c *locking.RedlockConfig) { c.TTL = 0 },
		"too short TTL":          func(c *locking.RedlockConfig) { c.TTL = time.Millisecond },
		"no owner":               func(c *locking.RedlockConfig) { c.Owner = "" },
	})
}
