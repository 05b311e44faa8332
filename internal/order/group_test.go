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

// openGroups opens a shop that places orders in groups of up to limit.
func openGroups(t *testing.T, locks locking.Locker, limit int) *shop {
	t.Helper()
	s := openShop(t, locks)
	s.Lanes = order.NewLanes(s.Service, limit)
	return s
}

// A gate is a locker that grants nothing until a test opens it: orders gather behind it.
type gate struct {
	locking.Locker
	open  chan struct{}
	asked atomic.Bool
}

func newGate(l locking.Locker) *gate { return &gate{Locker: l, open: make(chan struct{})} }

func (g *gate) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	g.asked.Store(true)
	select {
	case <-g.open:
		return g.Locker.Acquire(ctx, keys...)
	case <-ctx.Done():
		return nil, errors.Join(locking.ErrBusy, context.Cause(ctx))
	}
}

// awaitAsked returns once a caller waits at the gate.
func (g *gate) awaitAsked(t *testing.T) {
	t.Helper()
	await(t, "somebody waits at the gate", func() bool { return g.asked.Load() })
}

type answer struct {
	order order.Order
	err   error
}

// placeAll submits orders one after the other while the first, a group by itself, waits at
// the gate, and then opens it: the others are the next group.
func (s *shop) placeAll(t *testing.T, g *gate, orders [][]order.Line) []answer {
	t.Helper()
	answers := make([]answer, len(orders))
	var placing sync.WaitGroup
	waiting := 0 // behind the first, which is at the gate
	for i, lines := range orders {
		placing.Go(func() { answers[i].order, answers[i].err = s.Place(context.Background(), lines) })
		if lines[0].Quantity > 0 && i > 0 {
			waiting++
		}
		await(t, "the orders wait in their lane", func() bool { return s.Lanes.Waiting() == waiting && g.asked.Load() })
	}
	close(g.open)
	placing.Wait()
	return answers
}

// Each order of a group gets its own answer, first come, first served.
func TestGroup_EachOrderHasItsOwnAnswer(t *testing.T) {
	t.Parallel()
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.mustSet(t, "A-1", 5, "")
	s.mustSet(t, "B-1", 2, "")
	a := func(sku string, n int64) order.Line { return order.Line{SKU: sku, Quantity: n} }
	answers := s.placeAll(t, g, [][]order.Line{
		{a("A-1", 1)},
		{a("A-1", 1), a("B-1", 1), a("A-1", 1)}, // 2 left of A-1, 1 of B-1
		{a("A-1", 3)},                           // does not fit
		{a("A-1", 1), a("B-1", 2)},              // nor does this, and it takes nothing
		{a("A-1", 0)},
		{a("A-1", 1), a("C-1", 1)},
		{a("A-1", 2)}, // fits all the same
		{a("A-1", 1)},
	})
	for i, want := range []error{
		nil, nil, stock.ErrShort, stock.ErrShort, stock.ErrInvalid, stock.ErrUnknownSKU, nil, stock.ErrShort,
	} {
		if err := answers[i].err; !errors.Is(err, want) || (want == nil) != (err == nil) {
			t.Errorf("order %d: %v, want %v", i, err, want)
		}
	}
	for i, want := range map[int][]order.PlacedLine{
		0: {{"A-1", 1, 4, 2}},
		1: {{"A-1", 2, 2, 3}, {"B-1", 1, 1, 2}},
		6: {{"A-1", 2, 0, 4}},
	} {
		placed := answers[i].order
		read, err := s.Ledger.Get(t.Context(), "", placed.ID)
		if err != nil || len(read.Lines) != len(want) || len(placed.Lines) != len(want) {
			t.Fatalf("order %d: placed %+v, read %+v, %v", i, placed, read, err)
		}
		for j := range want {
			if placed.Lines[j] != want[j] || read.Lines[j] != want[j] {
				t.Errorf("order %d: placed %+v, read %+v, want %+v", i, placed.Lines[j], read.Lines[j], want[j])
			}
		}
		if !read.CreatedAt.Equal(placed.CreatedAt) {
			t.Errorf("order %d: created at %v, answered %v", i, read.CreatedAt, placed.CreatedAt)
		}
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 0 || item.Sold != 5 || item.Version != 4 {
		t.Errorf("stock = %+v, want nothing left, 5 sold, version 4", item)
	}
	movements, err := s.Store.Movements(t.Context(), "A-1", 1, 10)
	if err != nil || len(movements) != 3 || movements[1].Token == 0 || movements[1].Token != movements[2].Token {
		t.Errorf("movements = %+v, %v; want three, the later two with the group's token", movements, err)
	}
	levels, err := s.Cache.Levels(t.Context(), []string{"A-1", "B-1"})
	if err != nil || levels["A-1"].OnHand != 0 || levels["A-1"].Version != 4 || levels["B-1"].OnHand != 1 {
		t.Errorf("levels in Redis = %+v, %v; want those after the group", levels, err)
	}
}

// If a cached level is too high, Postgres refuses order by order.
func TestGroup_StaleLevelIsRefusedOrderByOrder(t *testing.T) {
	t.Parallel()
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.mustSet(t, "A-1", 3, "")
	if err := s.Cache.PutNewer(t.Context(), stock.Level{SKU: "A-1", OnHand: 100, Version: 9, Guard: stock.GuardPredicate}); err != nil {
		t.Fatal(err)
	}
	answers := s.placeAll(t, g, [][]order.Line{one("A-1"), one("A-1"), one("A-1"), one("A-1"), one("A-1")})
	for i, a := range answers {
		if short := errors.Is(a.err, stock.ErrShort); short != (i > 2) || a.err != nil && !short {
			t.Errorf("order %d: %v", i, a.err)
		}
	}
}

// An order for a SKU that is locked elsewhere does not delay the others of its group.
func TestGroup_WhatIsHeldUpElsewhereHoldsUpItsOwnAlone(t *testing.T) {
	t.Parallel()
	locks := openRedisLocks(t)
	g := newGate(locks)
	s := openGroups(t, g, 64)
	s.Lanes.OneLane()
	for _, sku := range []string{"A-1", "B-1", "C-1"} {
		s.mustSet(t, sku, 5, "")
	}
	held, err := locks.Acquire(t.Context(), "B-1")
	if err != nil {
		t.Fatal(err)
	}
	place := func(lines ...order.Line) chan error {
		placed := make(chan error, 1)
		go func() {
			_, err := s.Place(context.Background(), lines)
			placed <- err
		}()
		return placed
	}
	first := place(order.Line{SKU: "C-1", Quantity: 1})
	g.awaitAsked(t)
	others := []chan error{place(order.Line{SKU: "A-1", Quantity: 1}), place(order.Line{SKU: "C-1", Quantity: 1})}
	behind := []chan error{
		place(order.Line{SKU: "B-1", Quantity: 1}),
		place(order.Line{SKU: "A-2", Quantity: 1}, order.Line{SKU: "B-1", Quantity: 1}), // there is no A-2
	}
	await(t, "the orders wait in their lane", func() bool { return s.Lanes.Waiting() == 4 })
	close(g.open)
	for i, placed := range append(others, first) {
		if err := <-placed; err != nil {
			t.Errorf("order %d, for what nobody holds: %v", i, err)
		}
	}
	if len(behind[0])+len(behind[1]) > 0 {
		t.Error("an order for what another holds was answered meanwhile")
	}
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-behind[0]; err != nil {
		t.Errorf("the order for what was held: %v", err)
	}
	if err := <-behind[1]; !errors.Is(err, stock.ErrUnknownSKU) {
		t.Errorf("the cart with what was held and an unknown SKU: %v", err)
	}
}

func TestGroup_WhoLeavesTheQueueIsNotSold(t *testing.T) {
	t.Parallel()
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.LockWait = time.Minute // no order leaves because its wait is over
	s.mustSet(t, "A-1", 5, "")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 2)
	// One is in the group at the gate, the other in the lane behind it.
	for _, there := range []func() bool{g.asked.Load, func() bool { return s.Lanes.Waiting() == 1 }} {
		go func() {
			_, err := s.Place(ctx, one("A-1"))
			left <- err
		}()
		await(t, "somebody waits", there)
	}
	cancel()
	for range 2 {
		select {
		case err := <-left:
			if !errors.Is(err, locking.ErrBusy) {
				t.Errorf("Place() = %v, want ErrBusy", err)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("whoever gives up is kept waiting")
		}
	}
	close(g.open)
	if _, err := s.Place(t.Context(), one("A-1")); err != nil {
		t.Errorf("the next order: %v", err)
	}
	if item := s.mustGet(t, "A-1"); item.Sold != 1 {
		t.Errorf("%d sold, want the last order alone", item.Sold)
	}
}

func TestGroup_LostLeaseAndLostLocksFailEveryOrder(t *testing.T) {
	t.Parallel()
	g := newGate(lostLocks{})
	s := openGroups(t, g, 64)
	s.mustSet(t, "A-1", 5, "")
	for i, a := range s.placeAll(t, g, [][]order.Line{one("A-1"), one("A-1"), one("A-1")}) {
		if !errors.Is(a.err, locking.ErrUnavailable) {
			t.Errorf("order %d: %v, want ErrUnavailable", i, a.err)
		}
	}
	if n := s.count(t, "orders"); n != 0 {
		t.Errorf("%d orders written", n)
	}
}

type lostLocks struct{ locking.Locker }

func (lostLocks) Acquire(context.Context, ...string) (*locking.Lease, error) {
	return nil, locking.ErrUnavailable
}

func (lostLocks) Close() error { return nil }

func TestGroup_APanicIsNotTheEnd(t *testing.T) {
	t.Parallel()
	locks := &panicOnce{Locker: openRedisLocks(t)}
	s := openGroups(t, locks, 64)
	s.mustSet(t, "A-1", 5, "")
	if _, err := s.Place(t.Context(), one("A-1")); !errors.Is(err, order.ErrUnknown) {
		t.Errorf("Place() = %v, want ErrUnknown", err)
	}
	// Only an order with a key may be sent again without a look at what became of it.
	for key, again := range map[string]bool{"": false, "k": true} {
		locks.done.Store(false)
		rec := s.post(t, "", key, "/v1/orders", buyOne)
		if p := problemIn(t, rec); p.Code != "outcome_unknown" || p.Retryable != again {
			t.Errorf("with key %q: %d %s, want outcome_unknown, retryable: %v", key, rec.Code, rec.Body, again)
		}
	}
	if _, err := s.Place(t.Context(), one("A-1")); err != nil {
		t.Errorf("the next order: %v", err)
	}
}

type panicOnce struct {
	locking.Locker
	done atomic.Bool
}

func (p *panicOnce) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	if p.done.CompareAndSwap(false, true) {
		panic("for the test")
	}
	return p.Locker.Acquire(ctx, keys...)
}

// Two replicas, groups of carts in every order, and just enough units for all of them.
func TestGroup_ReplicasSellEveryUnitOnce(t *testing.T) {
	t.Parallel()
	database, levels, locks := stacktest.MigratedPostgres(t), stacktest.Redis(t), stacktest.Redis(t)
	first := openShopOn(t, database, levels, order.OpenRedisLocks(t, locks, 10*time.Second))
	second := openShopOn(t, database, levels, order.OpenRedisLocks(t, locks, 10*time.Second))
	first.Lanes, second.Lanes = order.NewLanes(first.Service, 8), order.NewLanes(second.Service, 8)
	const buyers, each = 16, 10
	skus := []string{"A-1", "B-1", "C-1"}
	for _, sku := range skus {
		first.mustSet(t, sku, buyers*each, stock.GuardPredicate)
	}
	var buying sync.WaitGroup
	for i := range buyers {
		buying.Go(func() {
			s := []*shop{first, second}[i%2]
			for j := range each {
				lines := []order.Line{{skus[(i+j)%3], 1}, {skus[(i+j+1)%3], 1}, {skus[(i+j+2)%3], 1}}
				for {
					_, err := s.Place(context.Background(), lines)
					if err == nil {
						break
					}
					if !errors.Is(err, locking.ErrBusy) {
						t.Errorf("Place() = %v", err)
						return
					}
				}
			}
		})
	}
	buying.Wait()
	for _, sku := range skus {
		item := first.mustGet(t, sku)
		if item.OnHand != 0 || item.Version != 1+buyers*each {
			t.Errorf("%s: %+v, want every unit sold once", sku, item)
		}
	}
	if n := first.count(t, "orders"); n != buyers*each {
		t.Errorf("%d orders, want %d", n, buyers*each)
	}
}
