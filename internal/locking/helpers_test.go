package locking_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// ttl is short, as tests wait until it is over, and long enough for a busy machine.
const ttl = 1500 * time.Millisecond

// longTTL is the TTL of locks that must end in another way than by expiry: it is beyond the
// end of any test.
const longTTL = time.Minute

// soon is how long it may take a busy machine to notice that a lease is lost. With longTTL it is
// no renewal that has told by then: the first is due after twice that time.
const soon = 10 * time.Second

// serial makes the names of servers unique.
var serial atomic.Int64

// closing closes a locker at the end of the test.
func closing[L locking.Locker](t testing.TB, l L, err error) L {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
			t.Errorf("Close() = %v", err)
		}
	})
	return l
}

// connected waits until the locker has a connection. It has none at first, and on a busy
// machine getting one may take longer than an acquire waits for it.
func connected[L interface{ Ping(context.Context) error }](t testing.TB, l L) L {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := l.Ping(ctx)
		if err == nil {
			return l
		}
		if ctx.Err() != nil {
			t.Fatalf("Ping() = %v for 20 s", err)
		}
	}
}

// mustHold acquires keys, and asks only once: lockingtest.MustAcquire would hide it if a backend
// that is up were unavailable to the locker now and then.
func mustHold(t testing.TB, l locking.Locker, keys ...string) *locking.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	lease, err := l.Acquire(ctx, keys...)
	if err != nil {
		t.Fatalf("Acquire(%q) = %v", keys, err)
	}
	return lease
}

// refusesBadSettings fails unless a mode refuses good settings once they are spoiled in any of
// the ways, and takes them as they are, though nobody answers at the addresses that they name.
func refusesBadSettings[C any, L interface {
	locking.Locker
	Ping(context.Context) error
}](t *testing.T, open func(C) (L, error), good func() C, ways map[string]func(*C)) {
	t.Helper()
	for name, spoil := range ways {
		cfg := good()
		spoil(&cfg)
		if _, err := open(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	l, err := open(good())
	if err != nil {
		t.Fatalf("good settings: %v, though the server may come up later", err)
	}
	if err := l.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
	if _, err := l.Acquire(t.Context(), "a"); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	if err := l.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}
