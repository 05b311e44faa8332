package order_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

// placeBehind submits carts one after the other while the first of them waits at the gate,
// and then opens it.
func (s *shop) placeBehind(t *testing.T, gate *gate, carts ...[]order.Line) []error {
	t.Helper()
	requests := make([]order.Request, len(carts))
	for i, cart := range carts {
		requests[i].Lines = cart
	}
	return s.placeInOrder(t, gate, func() {}, requests...)
}

// A level that was confirmed for one group is used for the turn's next: the cached one,
// which is too low, as after Postgres was restored from a backup, is not.
func TestLanes_WhatWasConfirmedCountsForTheNextGroup(t *testing.T) {
	t.Parallel()
	turns := &spy{Locker: openRedisLocks(t)}
	gate := newGate(turns)
	s := openGroups(t, gate, 2)
	s.mustSet(t, "A", 10, stock.GuardPredicate)
	s.mustSet(t, "B", 50, stock.GuardPredicate)
	if err := s.Cache.PutNewer(t.Context(), stock.Level{SKU: "B", OnHand: 0, Version: 1000, Guard: stock.GuardPredicate}); err != nil {
		t.Fatal(err)
	}
	// The first two are a group, in which nothing of B is sold; the last is the next.
	errs := s.placeBehind(t, gate, []order.Line{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 60}}, one("A"),
		[]order.Line{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 1}})
	if !errors.Is(errs[0], stock.ErrShort) || errs[1] != nil || errs[2] != nil {
		t.Errorf("60, none and 1 of 50: %v (in %d turns); want the 60 refused, and the others placed", errs, turns.turns.Load())
	}
}

// A hasty locker's server does not answer before the patience for a group of several SKUs
// ends.
type hasty struct{ locking.Locker }

func (h hasty) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	if ends, ok := ctx.Deadline(); ok && time.Until(ends) < 500*time.Millisecond {
		<-ctx.Done()
		return nil, errors.Join(locking.ErrUnavailable, context.Cause(ctx))
	}
	return h.Locker.Acquire(ctx, keys...)
}

func TestLanes_AServerThatIsSlowForAGroupMayBeQuickEnoughForItsParts(t *testing.T) {
	t.Parallel()
	gate := newGate(hasty{locking.NewLocal()})
	s := openGroups(t, gate, 64)
	for _, sku := range []string{"A", "B", "C"} {
		s.mustSet(t, sku, 10, stock.GuardPredicate)
	}
	errs := s.placeBehind(t, gate, one("A"),
		[]order.Line{{SKU: "A", Quantity: 1}, {SKU: "B", Quantity: 1}}, []order.Line{{SKU: "A", Quantity: 1}, {SKU: "C", Quantity: 1}})
	if err := errors.Join(errs...); err != nil {
		t.Errorf("Place = %v, want all placed", err)
	}
}

// A waiter gets the levels with its lease, and does not need the cached ones: those are
// written only afterwards, and here not at all.
func TestLanes_WhoIsNextIsToldTheLevels(t *testing.T) {
	t.Parallel()
	database, levels, locks := stacktest.MigratedPostgres(t), stacktest.Redis(t), stacktest.Redis(t)
	first := openShopOn(t, database, levels, order.OpenRedisLocks(t, locks, time.Minute))
	second := openShopOn(t, database, levels, order.OpenRedisLocks(t, locks, time.Minute))
	first.mustSet(t, "A", 1, stock.GuardPredicate)
	if err := second.Cache.PutNewer(t.Context(), stock.Level{SKU: "A", OnHand: 1, Version: 1, Guard: stock.GuardPredicate}); err != nil {
		t.Fatal(err)
	}
	if err := first.redis.Close(); err != nil { // it can neither read nor write a level
		t.Fatal(err)
	}
	operator := order.OpenRedisLocks(t, locks, time.Minute).(*locking.Redis)
	lease, err := operator.Acquire(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 2)
	var buying sync.WaitGroup
	for i, s := range []*shop{first, second} {
		mustHear(t, s.Locks)
		s.LockWait = 20 * time.Second
		s.Lanes = order.NewLanes(s.Service, 8)
		buying.Go(func() { _, errs[i] = s.Place(context.Background(), one("A")) })
		await(t, "the replica waits for the lease", func() bool {
			status, err := operator.Inspect(t.Context(), "A")
			return err == nil && status.Waiters == i+1
		})
	}
	if !lease.PassOn(t.Context(), map[string]string{"A": "1 1 predicate"}) {
		t.Fatal("not passed on, though two wait")
	}
	buying.Wait()
	if item := first.mustGet(t, "A"); errs[0] != nil || !errors.Is(errs[1], stock.ErrShort) || item.OnHand != 0 {
		t.Errorf("one unit: %v, %v, %d left; want it sold to the first, and the second refused", errs[0], errs[1], item.OnHand)
	}
}

// mustHear waits until the locker receives notifications: it subscribes in the background,
// and until then the waiters of its process count as dead.
func mustHear(t *testing.T, locks locking.Locker) {
	t.Helper()
	lease, err := locks.Acquire(t.Context(), "ears")
	if err != nil {
		t.Fatal(err)
	}
	other := make(chan error)
	go func() {
		next, err := locks.Acquire(t.Context(), "ears")
		if err == nil {
			err = next.Release(t.Context())
		}
		other <- err
	}()
	select {
	case <-lease.Wanted():
	case <-time.After(20 * time.Second):
		t.Error("the locker does not hear that somebody waits")
	}
	if err := errors.Join(lease.Release(t.Context()), <-other); err != nil {
		t.Fatal(err)
	}
}

// A holder that was handed the levels and sells nothing still writes them to Redis: the
// previous holder may not have done so, and the next one reads them there.
func TestLanes_WhatWasToldIsWritten(t *testing.T) {
	t.Parallel()
	locks := stacktest.Redis(t)
	s := openShop(t, order.OpenRedisLocks(t, locks, time.Minute))
	s.LockWait = 20 * time.Second
	s.Lanes = order.NewLanes(s.Service, 8)
	s.mustSet(t, "A", 5, stock.GuardNone)
	operator := order.OpenRedisLocks(t, locks, time.Minute).(*locking.Redis)
	lease, err := operator.Acquire(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	mustHear(t, s.Locks)
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() {
		_, err := s.Place(impatient, one("A"))
		left <- err
	}()
	await(t, "the replica waits for the lease", func() bool {
		status, err := operator.Inspect(t.Context(), "A")
		return err == nil && status.Waiters == 1
	})
	leave()
	if err := <-left; !errors.Is(err, locking.ErrBusy) {
		t.Errorf("Place = %v, want ErrBusy", err)
	}
	if !lease.PassOn(t.Context(), map[string]string{"A": "3 9 none"}) {
		t.Fatal("not passed on, though the replica waits")
	}
	s.Lanes.Close()
	levels, err := s.Cache.Levels(t.Context(), []string{"A"})
	if err != nil || levels["A"].OnHand != 3 || levels["A"].Version != 9 {
		t.Errorf("Redis has %+v, %v; want what was told, 3 units in version 9", levels["A"], err)
	}
}

// Consecutive orders for the same SKUs share a lease; consecutive orders for different SKUs
// have one each.
func TestLanes_KeepTheirLeaseForTheSame(t *testing.T) {
	t.Parallel()
	turns := &spy{Locker: locking.NewLocal()}
	s := openGroups(t, turns, 8)
	for _, sku := range []string{"A", "B"} {
		s.mustSet(t, sku, 1_000_000, stock.GuardPredicate)
	}
	orders := int64(0)
	place := func(lines ...order.Line) {
		t.Helper()
		orders++
		if _, err := s.Place(t.Context(), lines); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		place(order.Line{SKU: "A", Quantity: 1})
		place(order.Line{SKU: "A", Quantity: 1}, order.Line{SKU: "B", Quantity: 1})
	}
	if got := turns.turns.Load(); got != orders {
		t.Errorf("%d turns for %d orders, each for something else than the one before", got, orders)
	}
	await(t, "two orders share a lease", func() bool {
		place(order.Line{SKU: "A", Quantity: 1})
		place(order.Line{SKU: "A", Quantity: 1}) // at once: the lane keeps its lease for a moment only
		return turns.turns.Load() < orders
	})
}

// What has become of a group that failed may be unknown, and so are the levels after it: the
// next one begins anew. (On a slow machine it does so in any case, when the turn is over.)
func TestLanes_AGroupThatFailsGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	locks := &spy{Locker: locking.NewLocal()}
	g := newGate(locks)
	s := openGroups(t, g, 1)
	s.mustSet(t, "A-1", 100, "")
	if _, err := s.db.Exec(t.Context(), `
		CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'for the test'; END $$;
		CREATE TRIGGER fail BEFORE INSERT ON movements FOR EACH ROW WHEN (NEW.delta = -7) EXECUTE FUNCTION fail()`); err != nil {
		t.Fatal(err)
	}
	errs := s.placeBehind(t, g, one("A-1"), []order.Line{{SKU: "A-1", Quantity: 7}}, one("A-1"))
	if errs[0] != nil || errs[1] == nil || errs[2] != nil {
		t.Fatalf("answered %v, want the second alone to fail", errs)
	}
	if n := locks.turns.Load(); n < 2 {
		t.Errorf("%d lease, want a new one after the failure", n)
	}
}

// The same holds for a group in which something panicked.
func TestLanes_AGroupThatPanicsGivesItsLeaseBack(t *testing.T) {
	t.Parallel()
	locks := &spy{Locker: locking.NewLocal()}
	g := newGate(locks)
	s := openGroups(t, g, 1)
	s.mustSet(t, "A-1", 100, "")
	var groups atomic.Int64
	s.observe(t, func(_ context.Context, sql string) {
		if sql == "" && groups.Add(1) == 2 {
			panic("for the test")
		}
	})
	errs := s.placeBehind(t, g, one("A-1"), one("A-1"), one("A-1"))
	if errs[0] != nil || !errors.Is(errs[1], order.ErrUnknown) || errs[2] != nil {
		t.Fatalf("answered %v, want the outcome of the second alone unknown", errs)
	}
	if n := locks.turns.Load(); n < 2 {
		t.Errorf("%d lease, want a new one after the panic", n)
	}
}
