// Package lockingtest is the test suite that every lock mode has to pass: it holds a mode, on
// real servers, to each promise that the mode declares. Its exported helpers serve the modes' own
// tests as well.
package lockingtest

import (
	"context"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orderd/internal/locking"
)

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
	for _, test := range []struct {
		name string
		on   bool
		run  func(*testing.T, Options)
	}{
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
		{"a server that never answers is not taken for one whose keys are held", o.Leased, testSilentServer},
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

// mustBeClean fails unless nothing is stored for the keys, now or soon.
func mustBeClean(t testing.TB, b Backend, keys ...string) {
	t.Helper()
	var left []string
	Eventually(t, "nothing is left behind", func() bool {
		left = b.Residue(t, keys...)
		return len(left) == 0
	})
}
