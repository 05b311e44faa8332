package lockingtest

import (
	"testing"
	"time"

	"orderd/internal/locking"
)

func testWanted(t *testing.T, o Options) {
	b, keys := o.Backend(t), []string{newKey(t), newKey(t)}
	one := steady(t, o, b)
	other := one
	if o.CrossProcess {
		other = steady(t, o, b)
	}
	unwanted := func(lease *locking.Lease, when string) {
		t.Helper()
		select {
		case <-lease.Wanted():
			t.Errorf("wanted %s", when)
		default:
		}
	}
	// Who begins to listen takes it that it has missed something: both do so here.
	mustHear(t, mustAcquire(t, one, keys[0]), other, keys[0])
	mustHear(t, mustAcquire(t, other, keys[0]), one, keys[0])
	for _, key := range keys {
		held := mustAcquire(t, one, keys...)
		elsewhere := mustAcquire(t, other, newKey(t))
		unwanted(held, "by nobody")
		mustHear(t, held, other, key)
		unwanted(elsewhere, "though the wait is for another's key")
		mustRelease(t, elsewhere)
	}
}

// mustHear fails unless the lease's holder hears that another waits for a key,
// and releases the lease.
func mustHear(t *testing.T, held *locking.Lease, other locking.Locker, key string) {
	t.Helper()
	granted := make(chan *locking.Lease, 1)
	go func() {
		lease, err := other.Acquire(newContext(t), key)
		if err != nil {
			t.Errorf("Acquire() = %v", err)
		}
		granted <- lease
	}()
	select {
	case <-held.Wanted():
	case <-time.After(limit):
		t.Error("nobody said that another waits")
	}
	mustRelease(t, held)
	if lease := <-granted; lease != nil {
		mustRelease(t, lease)
	}
}

func testNeverWanted(t *testing.T, o Options) {
	lease := mustAcquire(t, steady(t, o, o.Backend(t)), newKey(t))
	if lease.Wanted() != nil {
		t.Error("Wanted() is a channel that nobody closes, want nil")
	}
	mustRelease(t, lease)
}
