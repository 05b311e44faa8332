package lockingtest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"orderd/internal/locking"
)

// longTTL is the TTL of lockers whose locks must be removed by clean-up, long before they
// would expire.
const longTTL = 5 * patience

// serverSlack is how late servers may be, which look for dead clients only now and then.
const serverSlack = 1500 * time.Millisecond

// mustBeUnavailable fails unless an acquire fails, and soon.
func mustBeUnavailable(t testing.TB, l locking.Locker, key string) {
	t.Helper()
	began := time.Now()
	_, err := l.Acquire(newContext(t), key)
	if !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	if took := time.Since(began); took > patience {
		t.Errorf("Acquire() took %v to learn that the backend is unavailable", took)
	}
}

// mustRecover fails unless the locker soon works again by itself.
func mustRecover(t testing.TB, l locking.Locker, key string) {
	t.Helper()
	Eventually(t, "the locker works again", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		lease, err := l.Acquire(ctx, key)
		return err == nil && lease.Release(ctx) == nil
	})
}

// mustBeFreed fails unless the key is free long before longTTL is over.
func mustBeFreed(t testing.TB, l locking.Locker, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	lease, err := l.Acquire(ctx, key)
	if err != nil {
		t.Fatalf("Acquire() = %v: what an acquire left behind was not cleaned up", err)
	}
	MustRelease(t, lease)
}

// testDeadHolder cuts a holder off from the server for ever, as its death would, and compares
// what both sides see of the lease's end.
func testDeadHolder(t *testing.T, o Options) {
	server := o.StartServer(t)
	p := newProxy(t, server.Addr)
	key := newKey(t)
	dead, next := o.OpenAt(t, p.addr(), o.TTL), o.OpenAt(t, server.Addr, o.TTL)
	mustRecover(t, next, key)
	lease := MustAcquire(t, dead, key)
	p.frozen.Store(true)
	parted := time.Now()
	after := MustAcquire(t, next, key)
	granted := time.Now()

	if granted.Before(lease.Until()) {
		t.Errorf("the key was granted %v before its last holder stopped trusting its lease",
			lease.Until().Sub(granted))
	}
	if took := granted.Sub(parted); took > o.TTL+serverSlack {
		t.Errorf("the key was free %v after its holder's death, want %v", took, o.TTL)
	}
	MustLose(t, lease, 0)
	MustRelease(t, after)
}

// testKilledHolder has another process hold the key, and kills it.
func testKilledHolder(t *testing.T, o Options) {
	b, key := o.Backend(t), newKey(t)
	l := b.Open(t)
	kill := o.HoldElsewhere(t, b.Addr, o.TTL, key)
	MustBeHeld(t, l, key)
	kill()
	killed := time.Now()
	MustRelease(t, MustAcquire(t, l, key))
	if took := time.Since(killed); took > o.TTL+serverSlack {
		t.Errorf("the key was free %v after its holder was killed, want %v", took, o.TTL)
	}
	mustBeClean(t, b, key)
}

// testDeadWaiter cuts a waiter off from the server for ever. The key must go to the next.
func testDeadWaiter(t *testing.T, o Options) {
	server := o.StartServer(t)
	p := newProxy(t, server.Addr)
	key := newKey(t)
	l, dead := o.OpenAt(t, server.Addr, o.TTL), o.OpenAt(t, p.addr(), o.TTL)
	mustRecover(t, l, key)
	mustRecover(t, dead, key)
	lease := MustAcquire(t, l, key)
	ctx, cancel := context.WithCancel(newContext(t))
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if lease, err := dead.Acquire(ctx, key); err == nil {
			t.Error("a waiter who hears nothing from the server was granted the key")
			_ = lease.Release(ctx)
		}
	}()
	MustBeHeld(t, l, key) // which also gives the waiter the time to queue
	p.frozen.Store(true)
	next := GoAcquire(t, l, key)
	MustRelease(t, lease)
	released := time.Now()
	MustRelease(t, <-next)
	if took := time.Since(released); took > o.TTL+serverSlack {
		t.Errorf("a dead waiter held up the next for %v, want at most %v", took, o.TTL)
	}
	cancel()
	<-gone
}

// testLostReply loses all replies to a locker, and then also its requests.
func testLostReply(t *testing.T, o Options) {
	server := o.StartServer(t)
	p := newProxy(t, server.Addr)
	key := newKey(t)
	l, other := o.OpenAt(t, p.addr(), longTTL), o.OpenAt(t, server.Addr, longTTL)
	mustRecover(t, l, key)

	p.deaf.Store(true)
	mustBeUnavailable(t, l, key)
	p.deaf.Store(false)
	p.cut()
	mustBeFreed(t, other, key)

	// The release's reply is lost, and then the release itself: the holder gets ErrUnknown.
	for _, part := range []*atomic.Bool{&p.deaf, &p.mute} {
		lease := MustAcquire(t, l, key)
		part.Store(true)
		if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrUnknown) {
			t.Errorf("Release() = %v, want ErrUnknown", err)
		}
		part.Store(false)
		p.cut()
		mustBeFreed(t, other, key)
		mustRecover(t, l, key)
	}
}

// testLateRequest has a request reach the server after its sender has given up
// on it and looked for what it may have done, on another connection.
func testLateRequest(t *testing.T, o Options) {
	server := o.StartServer(t)
	p := newProxy(t, server.Addr)
	key := newKey(t)
	l, other := o.OpenAt(t, p.addr(), longTTL), o.OpenAt(t, server.Addr, longTTL)
	mustRecover(t, l, key)

	before := p.passed.Load()
	lose, deliver := p.delay()
	mustBeUnavailable(t, l, key)
	lose()
	const quiet = 300 * time.Millisecond
	last, since := before, time.Now()
	Eventually(t, "the locker has looked and found nothing", func() bool {
		if n := p.passed.Load(); n != last {
			last, since = n, time.Now()
		}
		return last >= before+2 && time.Since(since) > quiet
	})
	deliver()
	Eventually(t, "the late request has reached the server", func() bool {
		return p.passed.Load() > last
	})
	mustBeFreed(t, other, key)
	mustRecover(t, l, key)
}
