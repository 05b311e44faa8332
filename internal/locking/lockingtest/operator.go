package lockingtest

import (
	"errors"
	"testing"
	"time"

	"orderd/internal/locking"
)

func testInspect(t *testing.T, o Options) {
	b, key := o.Backend(t), newKey(t)
	l := steady(t, o, b)
	inspector, ok := l.(locking.Inspector)
	if !ok {
		t.Fatal("a mode that excludes anybody has to tell whom")
	}
	if s := mustInspect(t, inspector, key); s != (locking.Status{}) {
		t.Errorf("Inspect() of a free key = %+v", s)
	}
	lease := MustAcquire(t, l, key)
	until := lease.Until() // read before Inspect: a renewal may come after it
	s := mustInspect(t, inspector, key)
	if s.Owner == "" || s.Waiters != 0 {
		t.Errorf("Inspect() of a key that is held = %+v", s)
	}
	if s.Token != 0 && s.Token != lease.Token(key) {
		t.Errorf("Inspect() tells the token %d, want 0 or %d", s.Token, lease.Token(key))
	}
	const skew = 5 * time.Second // between clocks, and of a server started meanwhile
	if ago := time.Since(s.Since); !s.Since.IsZero() && (ago < -skew || ago > limit) {
		t.Errorf("Inspect() tells that the key has been held for %v", ago)
	}
	if !s.Until.IsZero() && s.Until.Before(until) {
		t.Errorf("Inspect() tells an end %v before that of the holder", until.Sub(s.Until))
	}

	got := GoAcquire(t, l, key)
	if o.Ordered {
		Eventually(t, "the waiter is seen", func() bool { return mustInspect(t, inspector, key).Waiters == 1 })
	}
	MustRelease(t, lease)
	if lease := <-got; lease != nil {
		if next := mustInspect(t, inspector, key).Owner; o.Leased && next == s.Owner {
			t.Errorf("two leases have the same owner, %q", next)
		}
		MustRelease(t, lease)
	}
	mustBeClean(t, b, key)
}

func mustInspect(t testing.TB, i locking.Inspector, key string) locking.Status {
	t.Helper()
	s, err := i.Inspect(newContext(t), key)
	if err != nil {
		t.Fatalf("Inspect() = %v", err)
	}
	return s
}

func testEvict(t *testing.T, o Options) {
	b, key := o.Backend(t), newKey(t)
	l, other := b.Open(t), b.Open(t)
	evictor, ok := other.(locking.Evictor)
	if !ok {
		t.Fatal("a mode with tokens has to let operators take keys away")
	}
	robbed := MustAcquire(t, l, key)
	owner := mustInspect(t, evictor, key).Owner
	fence, err := evictor.NextToken(newContext(t), key)
	if err != nil || fence <= robbed.Token(key) {
		t.Fatalf("NextToken() = %d, %v; want one above the holder's %d", fence, err, robbed.Token(key))
	}
	if evicted, err := evictor.Evict(newContext(t), key, owner+"x"); err != nil || evicted {
		t.Errorf("Evict() of another owner = %v, %v; want false", evicted, err)
	}
	MustBeHeld(t, other, key)

	next := GoAcquire(t, other, key)
	if evicted, err := evictor.Evict(newContext(t), key, owner); err != nil || !evicted {
		t.Errorf("Evict() = %v, %v; want true", evicted, err)
	}
	if lease := <-next; lease != nil {
		if token := lease.Token(key); token < fence {
			t.Errorf("the next lease has the token %d, want no less than %d", token, fence)
		}
		MustLose(t, robbed, o.TTL/3+o.TTL/6)
		MustRelease(t, lease)
	}
	if err := robbed.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() of the lease that was taken away = %v, want ErrLost", err)
	}
	if evicted, err := evictor.Evict(newContext(t), key, owner); err != nil || evicted {
		t.Errorf("Evict() of an owner who is gone = %v, %v; want false", evicted, err)
	}
	mustBeClean(t, b, key)
}
