// Package lockingtest is the test suite that every lock mode has to pass: it holds a mode, on
// real servers, to each promise that the mode declares.
package lockingtest

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orderd/internal/locking"
)

// limit is how long a test waits for what should happen.
const limit = 20 * time.Second

// A Backend is what one test has of a mode: lockers on one server, and ways to see and change
// what they store.
type Backend struct {
	// Addr is the server's address, for Options.OpenAt.
	Addr string
	// Open returns another locker, as another process would have one. It is
	// closed at the end of the test.
	Open func(t testing.TB) locking.Locker
	// Residue lists what is stored for the keys: nothing, when nobody holds
	// them or waits for them.
	Residue func(t testing.TB, keys ...string) []string
	// Delete takes a key from its holder, as an operator would by hand.
	Delete func(t testing.TB, key string)
}

// A Server is a server that nobody else uses, to be stopped, killed and restarted.
type Server struct {
	Addr    string
	Process interface {
		Signal(syscall.Signal) error
		Kill() error
		Restart(ctx context.Context) error // in its place
	}
}

// Options declare what a mode promises, and say how to reach it.
type Options struct {
	// Exclusive: those who hold a key exclude each other.
	Exclusive bool
	// CrossProcess: they do so even if each has a locker of its own.
	CrossProcess bool
	// Leased: leases end by themselves, TTL after their holder's death.
	Leased bool
	// Fenced: a later lease has a larger token.
	Fenced bool
	// Ordered: waiters are served first come, first served, whichever locker
	// they use.
	Ordered bool
	// Tells: holders are notified when another waits for what they hold.
	Tells bool

	// TTL is that of the lockers, for Leased modes.
	TTL time.Duration
	// Backend returns a test's backend.
	Backend func(t testing.TB) Backend
	// StartServer starts a server that nobody else uses.
	StartServer func(t testing.TB) Server
	// OpenAt returns a locker with the given TTL on the server at an address. It is closed at
	// the end of the test.
	OpenAt func(t testing.TB, addr string, ttl time.Duration) locking.Locker
	// HoldElsewhere has another process take a key, with a locker of its own on
	// the server at an address, and returns once it holds the key.
	HoldElsewhere func(t testing.TB, addr string, ttl time.Duration, key string) (kill func())
}

// Run tests a mode.
func Run(t *testing.T, o Options) {
	type test struct {
		name string
		on   bool
		run  func(*testing.T, Options)
	}
	for _, test := range []test{
		{"keys that no mode takes are refused", true, testBadKeys},
		{"release answers once and to all", true, testReleaseTwice},
		{"release works with a cancelled context", true, testReleaseCancelled},
		{"a closed locker grants nothing", o.Exclusive, testClosed},
		{"64 contenders exclude each other", o.Exclusive, testExclusion},
		{"contenders with lockers of their own exclude each other", o.CrossProcess, testExclusionAcross},
		{"nobody excludes anybody", !o.Exclusive, testNoExclusion},
		{"other keys do not wait", true, testOtherKeys},
		{"a context that ends ends the wait and leaves nothing behind", o.Exclusive, testWaitEnds},
		{"cancelled waiters leave nothing behind under load", o.Exclusive, testWaitersCancelled},
		{"a waiter who leaves lets nobody in", o.Exclusive, testWaiterLeaves},
		{"carts in opposite order do not deadlock", o.Exclusive, testOppositeCarts},
		{"a cart of 20 keys is held whole and given back whole", true, testLargeCart},
		{"waiters are served in their order", o.Ordered, testOrder},
		{"holders are told that others wait", o.Tells, testWanted},
		{"modes that do not tell say so", !o.Tells, testNeverWanted},
		{"a note goes to whoever is next, and to nobody else", true, testPassOn},
		{"tokens grow", o.Fenced, testTokens},
		{"modes that cannot order leases say so", !o.Fenced, testNoTokens},
		{"leases without an end say so", !o.Leased, testEndless},
		{"renewal keeps a lease beyond its time", o.Leased, testRenewal},
		{"a cart that waits keeps what it has", o.Leased, testRenewalWhileWaiting},
		{"a lock deleted by hand is noticed, and its release harms nobody", o.Leased, testDeleted},
		{"a cart loses all when it loses one", o.Leased, testDeletedWhileWaiting},
		{"close ends leases and waits", o.Leased, testCloseEndsLeases},
		{"a server that hangs ends leases and is used again", o.Leased, testServerHangs},
		{"a server that dies ends leases and its successor is used", o.Leased, testServerDies},
		{"a server that comes back is used again", o.Leased, testServerComesBack},
		{"a dead holder's key is free within the TTL", o.Leased, testDeadHolder},
		{"a holder that is killed gives way within the TTL", o.HoldElsewhere != nil, testKilledHolder},
		{"a dead waiter holds up the others no longer than the TTL", o.Leased, testDeadWaiter},
		{"a release that meets a renewal leaves nothing behind", o.Leased, testRenewalMeetsRelease},
		{"operators see who holds a key and who waits", o.Exclusive, testInspect},
		{"operators take a key away", o.Fenced, testEvict},
		{"a reply that is lost leaves nothing behind", o.Leased, testLostReply},
		{"a request that comes late leaves nothing behind", o.Leased, testLateRequest},
	} {
		if test.on {
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.run(t, o)
			})
		}
	}
}

var keys atomic.Int64

// newKey returns a key that no other test uses, with a name that is hard on
// paths and patterns.
func newKey(t testing.TB) string {
	t.Helper()
	return "k/../%*{é}." + time.Duration(keys.Add(1)).String()
}

func newContext(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// mustAcquire acquires keys. It asks again while the backend is unavailable: a server that
// has just been started, on a busy machine, may be too slow for the short limits of a short
// TTL.
func mustAcquire(t testing.TB, l locking.Locker, keys ...string) *locking.Lease {
	t.Helper()
	ctx := newContext(t)
	for deadline := time.Now().Add(patience); ; {
		lease, err := l.Acquire(ctx, keys...)
		if err == nil {
			return lease
		}
		if !errors.Is(err, locking.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatalf("Acquire(%q) = %v", keys, err)
		}
	}
}

func mustRelease(t testing.TB, lease *locking.Lease) {
	t.Helper()
	if err := lease.Release(t.Context()); err != nil {
		t.Fatalf("Release() = %v", err)
	}
}

// eventually polls until holds returns true; what describes that.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ctx := newContext(t)
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

// mustBeClean fails unless nothing is stored for the keys, now or soon.
func mustBeClean(t testing.TB, b Backend, keys ...string) {
	t.Helper()
	var left []string
	eventually(t, "nothing is left behind", func() bool {
		left = b.Residue(t, keys...)
		return len(left) == 0
	})
}

// mustLose fails unless the lease is lost within a time, and no later than the
// lease itself says.
func mustLose(t testing.TB, lease *locking.Lease, within time.Duration) {
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
