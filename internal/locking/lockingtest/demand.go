package lockingtest

import (
	"errors"
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
	// A locker that begins to listen takes it that it has missed messages: have both do so
	// here.
	mustHear(t, MustAcquire(t, one, keys[0]), other, keys[0])
	mustHear(t, MustAcquire(t, other, keys[0]), one, keys[0])
	for _, key := range keys {
		held := MustAcquire(t, one, keys...)
		elsewhere := MustAcquire(t, other, newKey(t))
		unwanted(held, "by nobody")
		mustHear(t, held, other, key)
		unwanted(elsewhere, "though the wait is for another's key")
		MustRelease(t, elsewhere)
	}
}

// mustHear fails unless the lease's holder is notified that another waits for a key. It
// releases the lease.
func mustHear(t *testing.T, held *locking.Lease, other locking.Locker, key string) {
	t.Helper()
	granted := mustWant(t, held, other, key)
	MustRelease(t, held)
	MustRelease(t, <-granted)
}

// mustWant has other wait for a held key until its holder is notified of that. The channel
// will deliver the other's lease.
func mustWant(t *testing.T, held *locking.Lease, other locking.Locker, key string) <-chan *locking.Lease {
	t.Helper()
	granted := GoAcquire(t, other, key)
	select {
	case <-held.Wanted():
	case <-time.After(limit):
		t.Error("nobody said that another waits")
	}
	return granted
}

// In any mode, a note is handed over or it is not, and the lease has ended or it has not:
// nothing in between.
func testPassOn(t *testing.T, o Options) {
	b, keys := o.Backend(t), []string{newKey(t), newKey(t)}
	l := steady(t, o, b)
	notes := map[string]string{keys[0]: "1 left", keys[1]: "2 left"}
	nobody := MustAcquire(t, l, keys...)
	if nobody.PassOn(t.Context(), notes) {
		t.Error("passed on to nobody")
	}
	if o.Exclusive {
		MustBeHeld(t, l, keys[0])
	}
	MustRelease(t, nobody)
	if !o.Tells {
		return
	}
	for wanted, key := range keys {
		for _, notes := range []map[string]string{notes, {keys[wanted]: "3|left"}, {keys[wanted]: "3:left"}, {}} {
			held := MustAcquire(t, l, key)
			if note := held.Note(key); note != "" {
				t.Errorf("a note on a free key: %q", note)
			}
			granted := mustWant(t, held, l, key)
			want := ""
			if held.PassOn(t.Context(), notes) {
				want = notes[key]
				if err := held.Check(0); !errors.Is(err, locking.ErrLost) {
					t.Errorf("Check() = %v of a lease that was passed on", err)
				}
			}
			MustRelease(t, held)
			next := <-granted
			if note := next.Note(key); note != want || next.Note("other") != "" {
				t.Errorf("the next one's note is %q, want %q", note, want)
			}
			MustRelease(t, next)
		}
	}
}

func testNeverWanted(t *testing.T, o Options) {
	lease := MustAcquire(t, steady(t, o, o.Backend(t)), newKey(t))
	if lease.Wanted() != nil {
		t.Error("Wanted() is a channel that nobody closes, want nil")
	}
	MustRelease(t, lease)
}
