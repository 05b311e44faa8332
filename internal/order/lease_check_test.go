package order_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// No order is committed with less left of its lease than the margin, whatever the guard.
func TestService_ChecksItsLeaseBeforeTheCommit(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		for _, guard := range []stock.Guard{stock.GuardPredicate, stock.GuardNone, stock.GuardFence, stock.GuardClaim} {
			t.Run(name+", "+string(guard), func(t *testing.T) {
				t.Parallel()
				s := openShop(t, openRedisLocks(t))
				inGroups(t, groups, s)
				s.LockMargin = time.Hour // more than any lease lasts
				s.mustSet(t, "A-1", 5, guard)
				if _, err := s.Place(t.Context(), one("A-1")); !errors.Is(err, order.ErrLeaseLost) {
					t.Errorf("Place = %v, want ErrLeaseLost", err)
				}
				if item, orders := s.mustGet(t, "A-1"), s.count(t, "orders"); item.OnHand != 5 || orders != 0 {
					t.Errorf("%d on hand and %d orders, want 5 and none", item.OnHand, orders)
				}
			})
		}
	}
}

// With the guard claim the level is the row's, and not that of Redis.
func TestService_ClaimSellsWhatTheRowHas(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, openRedisLocks(t))
			inGroups(t, groups, s)
			s.mustSet(t, "A-1", 1, stock.GuardClaim)
			stale := stock.Level{SKU: "A-1", OnHand: 5, Version: 1, Guard: stock.GuardClaim}
			if err := s.Cache.PutNewer(t.Context(), stale); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Place(t.Context(), []order.Line{{SKU: "A-1", Quantity: 2}}); !errors.Is(err, stock.ErrShort) {
				t.Errorf("Place = %v, want ErrShort", err)
			}
			if item := s.mustGet(t, "A-1"); item.OnHand != 1 {
				t.Errorf("%d on hand, want 1", item.OnHand)
			}
		})
	}
}

// While nobody knows whether a key has an order, which may have taken the last units, its
// request is not told that they are sold out.
func TestService_AKeyThatCannotBeLookedUpIsNotSoldOut(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, locking.NewLocal())
			inGroups(t, groups, s)
			s.mustSet(t, "A-1", 0, "")
			closed, err := pgxpool.New(t.Context(), s.db.Config().ConnString())
			if err != nil {
				t.Fatal(err)
			}
			closed.Close()
			s.Ledger = order.NewLedger(closed, "r1")
			for range 2 { // when it is found short under the lock, and when that is known already
				_, err := s.Service.Place(t.Context(), order.Request{Key: "k", Lines: one("A-1")})
				if !errors.Is(err, stock.ErrUnavailable) || errors.Is(err, stock.ErrShort) {
					t.Errorf("Place = %v, want ErrUnavailable", err)
				}
			}
		})
	}
}
