package order_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"orderd/internal/order"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

// Where the guard does not check the level, a group that sells from a stale one oversells,
// although the lock kept its promise. Each test makes a level stale, and places an order
// that the stale level would satisfy.

// placeInOrder sends the requests one after the other while the first waits at the gate,
// calls meanwhile, and then opens the gate.
func (s *shop) placeInOrder(t *testing.T, g *gate, meanwhile func(), requests ...order.Request) []error {
	t.Helper()
	errs := make([]error, len(requests))
	var all sync.WaitGroup
	for i, r := range requests {
		all.Go(func() { _, errs[i] = s.Service.Place(context.Background(), r) })
		g.awaitAsked(t)
		await(t, "the order waits", func() bool { return s.Lanes.Waiting() >= i })
	}
	meanwhile()
	close(g.open)
	all.Wait()
	return errs
}

// twoReplicas opens two shops on the same servers. The second acquires its leases through
// the gate.
func twoReplicas(t *testing.T, groups int) (other, s *shop, g *gate) {
	t.Helper()
	url, redisURL, lockURL := stacktest.MigratedPostgres(t), stacktest.Redis(t), stacktest.Redis(t)
	other = openShopOn(t, url, redisURL, order.OpenRedisLocks(t, lockURL, 10*time.Second))
	g = newGate(order.OpenRedisLocks(t, lockURL, 10*time.Second))
	s = openShopOn(t, url, redisURL, g)
	s.Lanes = order.NewLanes(s.Service, groups)
	return other, s, g
}

func forEachGuard(t *testing.T, test func(*testing.T, stock.Guard)) {
	for _, guard := range []stock.Guard{stock.GuardNone, stock.GuardFence, stock.GuardClaim, stock.GuardPredicate} {
		t.Run(string(guard), func(t *testing.T) {
			t.Parallel()
			test(t, guard)
		})
	}
}

func lines(of ...order.Line) order.Request { return order.Request{Lines: of} }

// A turn that keeps its lease has not written back yet what it sold. After a group whose
// levels were not as expected, the next one must not sell from the cached level.
func TestTurn_SellsFromNoLevelOfBeforeItsOwnSale(t *testing.T) {
	t.Parallel()
	t.Run("after a cart that was short of something else", func(t *testing.T) {
		t.Parallel()
		forEachGuard(t, func(t *testing.T, guard stock.Guard) {
			g := newGate(openRedisLocks(t))
			s := openGroups(t, g, 2)
			s.mustSet(t, "A", 10, guard)
			s.mustSet(t, "C", 0, guard)
			s.mustSet(t, "D", 2, guard)
			s.placeInOrder(t, g, func() {},
				lines(order.Line{"A", 1}, order.Line{"C", 1}, order.Line{"D", 1}), lines(order.Line{"D", 1}), // 1 is left
				lines(order.Line{"A", 1}, order.Line{"C", 1}), lines(order.Line{"D", 2}))
			s.Lanes.Close()
			s.mustHave(t, "D", 1, 1)
		})
	})
	t.Run("after a key that was in use", func(t *testing.T) {
		t.Parallel()
		forEachGuard(t, func(t *testing.T, guard stock.Guard) {
			other, s, g := twoReplicas(t, 2)
			s.mustSet(t, "D", 3, guard)
			again := order.Request{Key: "K", Lines: one("D")}
			if _, err := other.Service.Place(t.Context(), again); err != nil {
				t.Fatal(err)
			}
			s.placeInOrder(t, g, func() {}, again, lines(order.Line{"D", 1}), lines(order.Line{"D", 2})) // 2, then 1 is left
			s.Lanes.Close()
			s.mustHave(t, "D", 1, 2)
		})
	})
}

// Postgres' answer that a SKU is short is shared for a while. It may be older than the
// lease, and higher than the level is by now.
func TestTurn_SellsFromNoLevelOfBeforeItsLease(t *testing.T) {
	t.Parallel()
	for name, requests := range map[string][]order.Request{
		"in the group that asked": {lines(order.Line{"D", 3}), lines(order.Line{"D", 3})},
		"in the turn's next group": {
			lines(order.Line{"A", 1}, order.Line{"D", 6}), lines(order.Line{"A", 1}),
			lines(order.Line{"A", 1}, order.Line{"D", 3}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forEachGuard(t, func(t *testing.T, guard stock.Guard) {
				other, s, g := twoReplicas(t, 2)
				s.mustSet(t, "D", 6, guard)
				s.mustSet(t, "A", 60, guard)
				if _, err := other.Place(t.Context(), []order.Line{{"A", 1}, {"D", 1}}); err != nil { // so that Redis has both levels
					t.Fatal(err)
				}
				s.placeInOrder(t, g, func() {
					if level, err := s.Shortages.Confirm(t.Context(), "D", 10); err != nil || level.OnHand != 5 {
						t.Fatalf("Confirm() = %+v, %v; want 5", level, err)
					}
					if _, err := other.Place(t.Context(), []order.Line{{"D", 4}}); err != nil {
						t.Fatal(err)
					}
				}, requests...)
				s.Lanes.Close()
				s.mustHave(t, "D", 1, 5)
			})
		})
	}
}
