package locking_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestNewZooKeeper_refusesBadSettings(t *testing.T) {
	t.Parallel()
	refusesBadSettings(t, locking.NewZooKeeper, func() locking.ZooKeeperConfig {
		return locking.ZooKeeperConfig{
			Servers: []string{"no-such-host.invalid"}, SessionTimeout: time.Second, Owner: "a",
		}
	}, map[string]func(*locking.ZooKeeperConfig){
		"no server":         func(c *locking.ZooKeeperConfig) { c.Servers = nil },
		"empty server":      func(c *locking.ZooKeeperConfig) { c.Servers = []string{"a", ""} },
		"no time-out":       func(c *locking.ZooKeeperConfig) { c.SessionTimeout = 0 },
		"no owner":          func(c *locking.ZooKeeperConfig) { c.Owner = "" },
		"too short timeout": func(c *locking.ZooKeeperConfig) { c.SessionTimeout = time.Millisecond },
	})
}

// A lease lasts as long as the server granted, not as was asked.
func TestZooKeeper_trustsTheServersTimeOut(t *testing.T) {
	t.Parallel()
	const most = time.Minute // the server's own limit
	l := connected(t, openZooKeeper(t, stacktest.ZooKeeper(t), time.Hour))
	lease := mustHold(t, l, "negotiated")
	if left := time.Until(lease.Until()); left <= most/3 || left > most*5/12 {
		t.Errorf("the lease has %v left, want nearly five twelfths of %v", left, most)
	}
	lockingtest.MustRelease(t, lease)
}

func TestZooKeeper_serverThatSaysNothing(t *testing.T) {
	t.Parallel()
	z, err := locking.NewZooKeeper(locking.ZooKeeperConfig{
		// One of them answers.
		Servers:        []string{lockingtest.SilentAddress(t), stacktest.ZooKeeper(t), lockingtest.SilentAddress(t)},
		SessionTimeout: ttl, Owner: "test",
	})
	closing(t, z, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		lease, err := z.Acquire(ctx, "deaf")
		if err == nil {
			if err := lease.Release(ctx); err != nil {
				t.Errorf("Release() = %v", err)
			}
			return
		}
		if !errors.Is(err, locking.ErrUnavailable) || ctx.Err() != nil {
			t.Fatalf("Acquire() = %v, want ErrUnavailable until a server answers", err)
		}
	}
}
