package lockingtest

import (
	"errors"
	"testing"
	"time"

	"orderd/internal/locking"
)

func testTokens(t *testing.T, o Options) {
	b := o.Backend(t)
	lockers := []locking.Locker{b.Open(t), b.Open(t)}
	key, other := newKey(t), newKey(t)
	var last int64
	for i := range 20 {
		lease := MustAcquire(t, lockers[i%2], other, key)
		token := lease.Token(key)
		if token <= last {
			t.Errorf("token %d came after %d", token, last)
		}
		last = token
		if lease.Token(other) <= 0 || lease.Token("another") != 0 {
			t.Errorf("tokens of a key held and of one not held: %d, %d; want >0, 0",
				lease.Token(other), lease.Token("another"))
		}
		MustRelease(t, lease)
	}
}

func testNoTokens(t *testing.T, o Options) {
	key := newKey(t)
	lease := MustAcquire(t, o.Backend(t).Open(t), key)
	if token := lease.Token(key); token != 0 {
		t.Errorf("Token() = %d, want 0", token)
	}
	MustRelease(t, lease)
}

func testEndless(t *testing.T, o Options) {
	lease := MustAcquire(t, o.Backend(t).Open(t), newKey(t))
	if lease.Lost() != nil || !lease.Until().IsZero() {
		t.Errorf("Lost() = %v, Until() = %v; want nil and zero", lease.Lost(), lease.Until())
	}
	if err := lease.Check(time.Hour); err != nil {
		t.Errorf("Check() = %v", err)
	}
	MustRelease(t, lease)
}

// outlast waits for longer than a lease lasts that is not renewed.
func outlast(t testing.TB, o Options) {
	t.Helper()
	over := time.Now().Add(o.TTL * 5 / 2)
	Eventually(t, "the time is over", func() bool { return time.Now().After(over) })
}

func testRenewal(t *testing.T, o Options) {
	b := o.Backend(t)
	key := newKey(t)
	lease := MustAcquire(t, b.Open(t), key)
	if left := time.Until(lease.Until()); left <= 0 || left > o.TTL {
		t.Errorf("the lease has %v left, want at most %v", left, o.TTL)
	}
	if err := lease.Check(time.Hour); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Check(an hour) = %v, want ErrLost", err)
	}
	outlast(t, o)
	if err := lease.Check(0); err != nil {
		t.Errorf("Check() = %v", err)
	}
	MustBeHeld(t, b.Open(t), key)
	MustRelease(t, lease)
	select {
	case <-lease.Lost():
		t.Error("a release closed Lost")
	default:
	}
	mustBeClean(t, b, key)
}

func testRenewalWhileWaiting(t *testing.T, o Options) {
	b := o.Backend(t)
	first, second := newKey(t), newKey(t)
	if first > second {
		first, second = second, first
	}
	one, other, third := b.Open(t), b.Open(t), b.Open(t)
	blocker := MustAcquire(t, other, second)
	got := GoAcquire(t, one, first, second)
	Eventually(t, "the cart has its first key", func() bool {
		return len(b.Residue(t, first)) > 0
	})
	outlast(t, o)
	MustBeHeld(t, third, first)
	MustRelease(t, blocker)
	MustRelease(t, <-got)
	mustBeClean(t, b, first, second)
}

func testDeleted(t *testing.T, o Options) {
	b := o.Backend(t)
	key := newKey(t)
	one, other := b.Open(t), b.Open(t)
	lease := MustAcquire(t, one, key)
	b.Delete(t, key)
	next := MustAcquire(t, other, key)
	MustLose(t, lease, o.TTL/3+o.TTL/6)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() of a lost lease = %v, want ErrLost", err)
	}
	MustBeHeld(t, one, key)
	MustRelease(t, next)

	// A holder that releases before it notices learns of it then.
	lease = MustAcquire(t, one, key)
	b.Delete(t, key)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() of a deleted lock = %v, want ErrLost", err)
	}
	mustBeClean(t, b, key)
}

func testDeletedWhileWaiting(t *testing.T, o Options) {
	b := o.Backend(t)
	first, second := newKey(t), newKey(t)
	if first > second {
		first, second = second, first
	}
	one, other := b.Open(t), b.Open(t)
	blocker := MustAcquire(t, other, second)
	ctx := newContext(t)
	answer := make(chan error, 1)
	go func() {
		_, err := one.Acquire(ctx, first, second)
		answer <- err
	}()
	Eventually(t, "the cart has its first key", func() bool {
		return len(b.Residue(t, first)) > 0
	})
	if o.Ordered {
		// What is stored for the first key may be a place in its queue. It certainly is a
		// grant once the cart is in the queue of the second.
		Eventually(t, "the cart waits for its second key", func() bool {
			return len(b.Residue(t, second)) > 1
		})
	}
	b.Delete(t, first)
	if err := <-answer; !errors.Is(err, locking.ErrLost) {
		t.Errorf("Acquire() = %v, want ErrLost", err)
	}
	MustRelease(t, blocker)
	mustBeClean(t, b, first, second)
}

func testCloseEndsLeases(t *testing.T, o Options) {
	b := o.Backend(t)
	l, key := b.Open(t), newKey(t)
	lease := MustAcquire(t, l, key)
	ctx := newContext(t)
	answer := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx, key)
		answer <- err
	}()
	if err := l.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
	MustLose(t, lease, o.TTL)
	if err := <-answer; !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	if err := lease.Release(ctx); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	MustRelease(t, MustAcquire(t, b.Open(t), key))
	mustBeClean(t, b, key)
}
