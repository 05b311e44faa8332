package lockingtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"orderd/internal/locking"
)

// limit is how long a test waits for what should happen.
const limit = 20 * time.Second

// patience bounds an acquire from a backend that does not answer, and the clean-up behind
// one.
const patience = 4 * time.Second

// shortWait is the time limit of acquires that are meant to fail: many round trips long, so
// that they learn that the key is held.
const shortWait = 150 * time.Millisecond

func newContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// MustAcquire acquires keys. It asks again while the backend is unavailable: a server that
// has just been started, on a busy machine, may be too slow for the short limits of a short
// TTL.
func MustAcquire(t testing.TB, l locking.Locker, keys ...string) *locking.Lease {
	t.Helper()
	lease, err := acquire(newContext(t), patience, l, keys...)
	if err != nil {
		t.Fatalf("Acquire(%q) = %v", keys, err)
	}
	return lease
}

// acquire acquires keys. While the backend is unavailable it asks again, for as long as
// patience lasts.
func acquire(
	ctx context.Context, patience time.Duration, l locking.Locker, keys ...string,
) (*locking.Lease, error) {
	for deadline := time.Now().Add(patience); ; {
		lease, err := l.Acquire(ctx, keys...)
		if !errors.Is(err, locking.ErrUnavailable) || time.Now().After(deadline) {
			return lease, err
		}
	}
}

// GoAcquire acquires keys in the background, and asks only once. The channel will deliver the
// lease, or nil after an error, which fails the test.
func GoAcquire(t testing.TB, l locking.Locker, keys ...string) <-chan *locking.Lease {
	t.Helper()
	ctx := newContext(t)
	got := make(chan *locking.Lease, 1)
	var group sync.WaitGroup
	group.Go(func() {
		lease, err := l.Acquire(ctx, keys...)
		if err != nil {
			t.Errorf("Acquire(%q) in the background = %v", keys, err)
		}
		got <- lease
	})
	t.Cleanup(group.Wait) // a test that has ended cannot be told of an error
	return got
}

// MustRelease releases a lease, and fails unless that was done.
func MustRelease(t testing.TB, lease *locking.Lease) {
	t.Helper()
	if lease == nil {
		t.Fatal("there is no lease to release")
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Fatalf("Release() = %v", err)
	}
}

// MustBeHeld fails unless a key is held, and hence not granted.
func MustBeHeld(t testing.TB, l locking.Locker, key string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		ctx, cancel := context.WithTimeout(t.Context(), shortWait)
		lease, err := l.Acquire(ctx, key)
		cancel()
		switch {
		case errors.Is(err, locking.ErrBusy):
			return
		case err == nil:
			MustRelease(t, lease)
			t.Errorf("Acquire(%q), which is held, was granted", key)
			return
		case !errors.Is(err, locking.ErrUnavailable) || time.Now().After(deadline):
			// A busy machine may be too slow for so short a wait.
			t.Errorf("Acquire(%q), which is held, = %v, want ErrBusy", key, err)
			return
		}
	}
}

// MustLose fails unless the lease is lost within a time, and no later than the
// lease itself says.
func MustLose(t testing.TB, lease *locking.Lease, within time.Duration) {
	t.Helper()
	// Tests share the machine: a little late is not wrong.
	const slack = 500 * time.Millisecond
	timer := time.NewTimer(within + slack)
	defer timer.Stop()
	select {
	case <-lease.Lost(): // some time ago, nobody knows when
	default:
		select {
		case <-lease.Lost():
		case <-timer.C:
			t.Fatalf("the lease is not lost after %v", within)
		}
		if late := time.Since(lease.Until()); late > slack {
			t.Errorf("Lost closed %v after Until", late)
		}
	}
	if err := lease.Check(0); err == nil {
		t.Error("Check() = nil for a lease that is lost")
	}
}

// Eventually polls until holds returns true; what describes that.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("still not so after %v: %s", limit, what)
		}
	}
}
