package lockingtest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"orderd/internal/locking"
)

func testBadKeys(t *testing.T, o Options) {
	l := o.Backend(t).Open(t)
	for _, keys := range [][]string{nil, {""}, {"a", ""}} {
		if _, err := l.Acquire(newContext(t), keys...); err == nil {
			t.Errorf("Acquire(%q) = nil", keys)
		}
	}
}

func testReleaseTwice(t *testing.T, o Options) {
	l, key := o.Backend(t).Open(t), newKey(t)
	lease := MustAcquire(t, l, key)
	if err := lease.Check(0); err != nil {
		t.Errorf("Check() = %v for a lease that is held", err)
	}
	MustRelease(t, lease)
	next := MustAcquire(t, l, key)
	MustRelease(t, lease)
	if o.Exclusive {
		MustBeHeld(t, l, key) // by the next, from which the second release must not take it
	}
	if err := lease.Check(0); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Check() = %v for a lease that was released, want ErrLost", err)
	}
	MustRelease(t, next)
}

func testReleaseCancelled(t *testing.T, o Options) {
	b := o.Backend(t)
	l, key := b.Open(t), newKey(t)
	lease := MustAcquire(t, l, key)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := lease.Release(ctx); err != nil {
		t.Errorf("Release() = %v", err)
	}
	mustBeClean(t, b, key)
	MustRelease(t, MustAcquire(t, l, key))
}

func testClosed(t *testing.T, o Options) {
	l := o.Backend(t).Open(t)
	if err := l.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if _, err := l.Acquire(newContext(t), newKey(t)); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() after Close = %v, want ErrUnavailable", err)
	}
}

func testWaitEnds(t *testing.T, o Options) {
	b := o.Backend(t)
	l, key := b.Open(t), newKey(t)
	others := []locking.Locker{l}
	if o.CrossProcess {
		others = append(others, b.Open(t))
	}
	for _, other := range others { // make sure that each is connected
		MustRelease(t, MustAcquire(t, other, newKey(t)))
	}
	lease := MustAcquire(t, l, key)
	held := len(b.Residue(t, key))
	for _, other := range others {
		cause := errors.New("the buyer has left")
		began := time.Now()
		ctx, cancel := context.WithTimeoutCause(t.Context(), shortWait, cause)
		_, err := other.Acquire(ctx, key)
		cancel()
		if errors.Is(err, locking.ErrUnavailable) { // the server was too busy to answer in time: once more
			began = time.Now()
			ctx, cancel = context.WithTimeoutCause(t.Context(), shortWait, cause)
			_, err = other.Acquire(ctx, key)
			cancel()
		}
		if !errors.Is(err, locking.ErrBusy) || !errors.Is(err, cause) {
			t.Errorf("Acquire() = %v, want ErrBusy and the context's cause", err)
		}
		if took := time.Since(began); took < shortWait || took > shortWait+2*time.Second {
			t.Errorf("Acquire() gave up after %v, want %v", took, shortWait)
		}
		// At once, where the server is not too busy for that.
		Eventually(t, "the waiter has left nothing behind", func() bool {
			return len(b.Residue(t, key)) == held
		})
	}
	MustRelease(t, lease)
	mustBeClean(t, b, key)
	MustRelease(t, MustAcquire(t, l, key))
}

// testWaiterLeaves has the first of two waiters give up: that must not be taken for the
// holder's release.
func testWaiterLeaves(t *testing.T, o Options) {
	b := o.Backend(t)
	l, key := steady(t, o, b), newKey(t)
	lease := MustAcquire(t, l, key)
	ctx, leave := context.WithCancel(newContext(t))
	left := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx, key)
		left <- err
	}()
	waiting := func(n int) {
		if !o.Ordered {
			MustBeHeld(t, l, key) // which also gives them the time to queue
			return
		}
		Eventually(t, "the waiters are in the queue", func() bool {
			return mustInspect(t, l.(locking.Inspector), key).Waiters == n
		})
	}
	waiting(1)
	next := GoAcquire(t, l, key)
	waiting(2)
	leave()
	if err := <-left; !errors.Is(err, locking.ErrBusy) {
		t.Errorf("Acquire() of who has left = %v, want ErrBusy", err)
	}
	MustBeHeld(t, l, key)
	if len(next) > 0 {
		t.Error("the next was let in while the key was held")
	}
	MustRelease(t, lease)
	MustRelease(t, <-next)
	mustBeClean(t, b, key)
}

func testWaitersCancelled(t *testing.T, o Options) {
	b := o.Backend(t)
	l, key, second := b.Open(t), newKey(t), newKey(t)
	if o.Leased {
		l = o.OpenAt(t, b.Addr, longTTL) // so that an expiry is not taken for clean-up
	}
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			// Contexts end at every stage of an acquire, in flight too.
			for round := range 6 {
				wait := time.Duration(1+i*round) * 300 * time.Microsecond
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				if lease, err := l.Acquire(ctx, key, second); err == nil {
					_ = lease.Release(ctx)
				}
				cancel()
			}
		})
	}
	group.Wait()
	mustBeFreed(t, l, key)
	mustBeFreed(t, l, second)
	mustBeClean(t, b, key, second)
}
