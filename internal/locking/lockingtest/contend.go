package lockingtest

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"orderd/internal/locking"
)

// A room is what a key protects. It notices when two are in it at once.
type room struct {
	inside   atomic.Int64
	overlaps atomic.Int64
	entries  atomic.Int64
}

func (r *room) visit() {
	r.entries.Add(1)
	if r.inside.Add(1) > 1 {
		r.overlaps.Add(1)
	}
	for range 10 {
		runtime.Gosched()
	}
	r.inside.Add(-1)
}

// contend has contenders acquire and release their carts (a cart is a set of keys), each two
// in a row by the same locker of the list. It fails if two hold a cart at once.
func contend(t *testing.T, lockers []locking.Locker, contenders int, cart func(contender int) []string) {
	t.Helper()
	var (
		r     room
		group sync.WaitGroup
		ctx   = newContext(t)
	)
	const turns = 4
	for i := range contenders {
		group.Go(func() {
			for range turns {
				lease, err := lockers[i/2%len(lockers)].Acquire(ctx, cart(i)...)
				if err != nil {
					t.Errorf("Acquire() = %v", err)
					return
				}
				r.visit()
				if err := lease.Release(ctx); err != nil {
					t.Errorf("Release() = %v", err)
				}
			}
		})
	}
	group.Wait()
	if n := r.overlaps.Load(); n > 0 {
		t.Errorf("%d of %d holders were not alone", n, r.entries.Load())
	}
}

// always returns the same cart for all contenders.
func always(keys ...string) func(int) []string {
	return func(int) []string { return keys }
}

// steady returns a locker with a long TTL, for tests that do not wait for its end: its
// requests may take long, as they do on a busy machine.
func steady(t *testing.T, o Options, b Backend) locking.Locker {
	t.Helper()
	if o.OpenAt == nil {
		return b.Open(t)
	}
	l := o.OpenAt(t, b.Addr, longTTL)
	mustRecover(t, l, newKey(t)) // it may still be connecting
	return l
}

func testExclusion(t *testing.T, o Options) {
	contend(t, []locking.Locker{steady(t, o, o.Backend(t))}, 64, always(newKey(t)))
}

func testExclusionAcross(t *testing.T, o Options) {
	b := o.Backend(t)
	contend(t, []locking.Locker{steady(t, o, b), steady(t, o, b), steady(t, o, b)}, 64, always(newKey(t)))
}

func testNoExclusion(t *testing.T, o Options) {
	l, key := o.Backend(t).Open(t), newKey(t)
	first, second := MustAcquire(t, l, key), MustAcquire(t, l, key)
	MustRelease(t, first)
	MustRelease(t, second)
}

func testOtherKeys(t *testing.T, o Options) {
	l := o.Backend(t).Open(t)
	first := MustAcquire(t, l, newKey(t))
	second := MustAcquire(t, l, newKey(t))
	MustRelease(t, first)
	MustRelease(t, second)
}

func testOppositeCarts(t *testing.T, o Options) {
	b := o.Backend(t)
	a, z := newKey(t), newKey(t)
	lockers := []locking.Locker{steady(t, o, b)}
	if o.CrossProcess {
		lockers = append(lockers, steady(t, o, b))
	}
	contend(t, lockers, 16, func(i int) []string {
		if i%2 == 0 {
			return []string{z, a}
		}
		return []string{a, z}
	})
	mustBeClean(t, b, a, z)
}

func testLargeCart(t *testing.T, o Options) {
	b := o.Backend(t)
	l := steady(t, o, b)
	cart := make([]string, 20)
	for i := range cart {
		cart[i] = newKey(t)
	}
	// Repeated keys count once.
	lease := MustAcquire(t, l, append(cart, cart...)...)
	if o.Exclusive {
		var group sync.WaitGroup
		for _, key := range cart {
			group.Go(func() { MustBeHeld(t, l, key) })
		}
		group.Wait()
	}
	MustRelease(t, lease)
	mustBeClean(t, b, cart...)
	for _, key := range cart {
		MustRelease(t, MustAcquire(t, l, key))
	}
}

func testOrder(t *testing.T, o Options) {
	b, key := o.Backend(t), newKey(t)
	lockers := []locking.Locker{steady(t, o, b)}
	if o.CrossProcess {
		lockers = append(lockers, steady(t, o, b), steady(t, o, b))
	}
	if o.Tells { // a waiter whose locker does not listen yet loses its place
		for _, l := range lockers {
			ear := newKey(t)
			mustHear(t, MustAcquire(t, l, ear), l, ear)
		}
	}
	const waiters = 8
	lease := MustAcquire(t, lockers[0], key)
	var (
		order []int // guarded by the key
		group sync.WaitGroup
		ctx   = newContext(t)
	)
	for i := range waiters {
		before := len(b.Residue(t, key))
		group.Go(func() {
			lease, err := lockers[i%len(lockers)].Acquire(ctx, key)
			if err != nil {
				t.Errorf("Acquire() = %v", err)
				return
			}
			order = append(order, i)
			if err := lease.Release(ctx); err != nil {
				t.Errorf("Release() = %v", err)
			}
		})
		Eventually(t, "the waiter is in the queue", func() bool {
			return len(b.Residue(t, key)) > before
		})
	}
	MustRelease(t, lease)
	group.Wait()
	if len(order) != waiters || !slices.IsSorted(order) {
		t.Errorf("waiters were served in the order %v", order)
	}
}
