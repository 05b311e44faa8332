package locking_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

// deafAddress returns an address that takes connections and never answers.
func deafAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

func TestNewZooKeeper_refusesBadSettings(t *testing.T) {
	t.Parallel()
	good := locking.ZooKeeperConfig{
		Servers: []string{"no-such-host.invalid"}, SessionTimeout: time.Second, Owner: "a",
	}
	for name, spoil := range map[string]func(*locking.ZooKeeperConfig){
		"no server":         func(c *locking.ZooKeeperConfig) { c.Servers = nil },
		"empty server":      func(c *locking.ZooKeeperConfig) { c.Servers = []string{"a", ""} },
		"no time-out":       func(c *locking.ZooKeeperConfig) { c.SessionTimeout = 0 },
		"no owner":          func(c *locking.ZooKeeperConfig) { c.Owner = "" },
		"too short timeout": func(c *locking.ZooKeeperConfig) { c.SessionTimeout = time.Millisecond },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := locking.NewZooKeeper(cfg); err == nil {
			t.Errorf("%s: NewZooKeeper() = nil", name)
		}
	}
	z, err := locking.NewZooKeeper(good)
	if err != nil {
		t.Fatalf("NewZooKeeper() = %v, though the server may come up later", err)
	}
	if err := z.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
	if err := z.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// A lease lasts as long as the server granted, not as was asked.
func TestZooKeeper_trustsTheServersTimeOut(t *testing.T) {
	t.Parallel()
	const most = time.Minute // the server's own limit
	l := awaitAnswer(t, openZooKeeper(t, stacktest.ZooKeeper(t), time.Hour))
	lease, err := l.Acquire(t.Context(), "negotiated")
	if err != nil {
		t.Fatal(err)
	}
	if left := time.Until(lease.Until()); left <= most/3 || left > most*5/12 {
		t.Errorf("the lease has %v left, want nearly five twelfths of %v", left, most)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

func TestZooKeeper_serverThatSaysNothing(t *testing.T) {
	t.Parallel()
	z, err := locking.NewZooKeeper(locking.ZooKeeperConfig{
		// One of them answers.
		Servers:        []string{deafAddress(t), stacktest.ZooKeeper(t), deafAddress(t)},
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
