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

func openRedisLocks(t *testing.T) locking.Locker {
	t.Helper()
	return order.OpenRedisLocks(t, stacktest.Redis(t), 10*time.Second)
}

func TestService_Place(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 10, "")
	s.mustSet(t, "B-1", 3, "")

	placed, err := s.Place(t.Context(), []order.Line{{"B-1", 1}, {"A-1", 2}, {"A-1", 3}})
	if err != nil {
		t.Fatal(err)
	}
	want := []order.PlacedLine{
		{SKU: "A-1", Quantity: 5, Remaining: 5, StockVersion: 2},
		{SKU: "B-1", Quantity: 1, Remaining: 2, StockVersion: 2},
	}
	if placed.Status != order.StatusConfirmed || len(placed.Lines) != 2 || placed.Lines[0] != want[0] || placed.Lines[1] != want[1] {
		t.Errorf("Place = %+v, want confirmed with %+v", placed, want)
	}
	read, err := s.Ledger.Get(t.Context(), "", placed.ID)
	if err != nil || !read.CreatedAt.Equal(placed.CreatedAt) || len(read.Lines) != 2 || read.Lines[1] != want[1] {
		t.Errorf("Get = %+v, %v; want what was placed", read, err)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 5 || item.Sold != 5 || item.Received() != 10 || item.Version != 2 {
		t.Errorf("stock = %+v, want 5 left, 5 sold, 10 received, version 2", item)
	}
	movements, err := s.Store.Movements(t.Context(), "A-1", 1, 10)
	if err != nil || len(movements) != 1 || movements[0].Token == 0 || movements[0].OrderID != placed.ID.String() {
		t.Errorf("movements = %+v, %v; want one with a token and the order", movements, err)
	}
	levels, err := s.Cache.Levels(t.Context(), []string{"A-1"})
	if err != nil || levels["A-1"].OnHand != 5 || levels["A-1"].Version != 2 {
		t.Errorf("level in Redis = %+v, %v; want 5 at version 2", levels, err)
	}
}

func TestService_PlaceRefuses(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 10, "")
	s.mustSet(t, "B-1", 1, "")

	var short *stock.ShortError
	_, err := s.Place(t.Context(), []order.Line{{"A-1", 4}, {"B-1", 2}})
	if !errors.As(err, &short) || *short != (stock.ShortError{SKU: "B-1", Requested: 2, Remaining: 1}) {
		t.Errorf("Place of too many = %v, want the short line", err)
	}
	var unknown *stock.UnknownSKUError
	if _, err = s.Place(t.Context(), []order.Line{{"A-1", 1}, {"NO", 1}}); !errors.As(err, &unknown) || unknown.SKU != "NO" {
		t.Errorf("Place of an unknown SKU = %v, want it named", err)
	}
	if _, err = s.Place(t.Context(), []order.Line{{"A-1", 6}, {"A-1", 6}}); !errors.As(err, &short) || short.Requested != 12 {
		t.Errorf("Place of two lines of one SKU = %v, want their sum to be short", err)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 10 || s.count(t, "orders") != 0 {
		t.Errorf("after refusals %+v and %d orders, want nothing written", item, s.count(t, "orders"))
	}
}

func TestService_SoldOutIsTrue(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewLocal())
	s.mustSet(t, "A-1", 5, "")
	// The cached level is too low: a restock's write-back was lost.
	stale := stock.Level{SKU: "A-1", OnHand: 0, Version: 1, Guard: stock.GuardPredicate}
	if err := s.Cache.PutNewer(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Place(t.Context(), one("A-1")); err != nil {
		t.Errorf("Place = %v, want it sold: Postgres has 5", err)
	}
	// The cached level is too high: only Postgres prevents the sale.
	if err := s.Cache.PutNewer(t.Context(), stock.Level{SKU: "A-1", OnHand: 99, Version: 9, Guard: stock.GuardPredicate}); err != nil {
		t.Fatal(err)
	}
	var short *stock.ShortError
	if _, err := s.Place(t.Context(), []order.Line{{"A-1", 50}}); !errors.As(err, &short) || short.Remaining != 4 {
		t.Errorf("Place of 50 = %v, want refused with 4 remaining", err)
	}
}

// spy counts the leases that are requested.
type spy struct {
	locking.Locker
	turns atomic.Int64
}

func (s *spy) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	s.turns.Add(1)
	return s.Locker.Acquire(ctx, keys...)
}

func TestService_SoldOutIsRefusedWithoutATurn(t *testing.T) {
	t.Parallel()
	locks := &spy{Locker: locking.NewLocal()}
	s := openShop(t, locks)
	s.mustSet(t, "A-1", 1, "")
	for range 20 {
		_, _ = s.Place(t.Context(), one("A-1"))
	}
	// One that sold, one that found nothing left; the others were refused without a lease.
	if got := locks.turns.Load(); got != 2 {
		t.Errorf("%d turns for 20 orders of one unit, want 2", got)
	}
	if _, _, err := s.Store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 1, Reason: "restock"}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		_, err := s.Place(t.Context(), one("A-1"))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("Place = %v long after a restock by another replica", err)
		}
	}
}

func TestService_BusyLeavesNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	held, err := s.Locks.Acquire(t.Context(), "A-1")
	if err != nil {
		t.Fatal(err)
	}
	s.LockWait = 5 * time.Second // enough for the lock service to answer that it is held
	if _, err := s.Place(t.Context(), one("A-1")); !errors.Is(err, locking.ErrBusy) {
		t.Errorf("Place while another holds the lock = %v, want ErrBusy", err)
	}
	s.LockWait = 20 * time.Second
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Place(t.Context(), one("A-1")); err != nil {
		t.Errorf("Place after the release = %v, want it placed", err)
	}
}

func TestService_ALostLeaseIsNotCommitted(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	s := openShop(t, order.OpenRedisLocks(t, url, 3*time.Second))
	s.mustSet(t, "A-1", 5, stock.GuardPredicate)
	s.Work = 2 * time.Second // long enough for a renewal to find the key gone
	result := make(chan error, 1)
	go func() {
		_, err := s.Place(context.Background(), one("A-1"))
		result <- err
	}()
	deleteLocks(t, url)
	if err := <-result; !errors.Is(err, order.ErrLeaseLost) {
		t.Errorf("Place = %v, want ErrLeaseLost", err)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 5 || s.count(t, "orders") != 0 {
		t.Errorf("after a lost lease %+v and %d orders, want nothing written", item, s.count(t, "orders"))
	}
}

// deleteLocks deletes the lock keys as an operator's mistake would, once there
// is one.
func deleteLocks(t *testing.T, url string) {
	t.Helper()
	client := stacktest.OpenRedis(t, url)
	deadline := time.Now().Add(20 * time.Second)
	for {
		locks, err := client.Keys(t.Context(), "orderd:lock:*:A-1").Result()
		if err != nil {
			t.Fatal(err)
		}
		if len(locks) > 0 && client.Del(t.Context(), locks...).Val() > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody took the lock")
		}
	}
}

// Sixty-four buyers, five units: with a lock that holds, the guard has nothing to do.
func TestService_OnlyTheLockStandsBetween(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.LockWait = 20 * time.Second
	s.mustSet(t, "A-1", 5, stock.GuardNone)
	var sold atomic.Int64
	var buyers sync.WaitGroup
	for range 64 {
		buyers.Go(func() {
			switch _, err := s.Place(context.Background(), one("A-1")); {
			case err == nil:
				sold.Add(1)
			case !errors.Is(err, stock.ErrShort):
				t.Errorf("Place = %v, want sold or sold out", err)
			}
		})
	}
	buyers.Wait()
	if item := s.mustGet(t, "A-1"); sold.Load() != 5 || item.OnHand != 0 {
		t.Errorf("%d sold and %d left of 5, want 5 and 0", sold.Load(), item.OnHand)
	}
}

// Without a lock and without a guard the same shop sells one unit twice.
func TestService_WithoutALockItOversells(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.Work = 2 * time.Second // both have read the level before either writes
	for guard, want := range map[stock.Guard]int64{stock.GuardNone: 2, stock.GuardPredicate: 1} {
		sku := "A-" + string(guard)
		s.mustSet(t, sku, 1, guard)
		var sold atomic.Int64
		var buyers sync.WaitGroup
		for range 2 {
			buyers.Go(func() {
				if _, err := s.Place(context.Background(), one(sku)); err == nil {
					sold.Add(1)
				}
			})
		}
		buyers.Wait()
		if got := sold.Load(); got != want {
			t.Errorf("guard %s: %d of 1 unit sold, want %d", guard, got, want)
		}
	}
}

func TestService_ConcurrentCartsInOppositeOrder(t *testing.T) {
	t.Parallel()
	for name, locks := range map[string]locking.Locker{"none": locking.NewNone(), "redis": openRedisLocks(t)} {
		t.Run(name, func(t *testing.T) {
			s := openShop(t, locks)
			s.LockWait = 20 * time.Second
			s.mustSet(t, "A-1", 1000, "")
			s.mustSet(t, "B-1", 1000, "")
			var buyers sync.WaitGroup
			for i := range 40 {
				lines := []order.Line{{"A-1", 1}, {"B-1", 1}}
				if i%2 == 0 {
					lines[0], lines[1] = lines[1], lines[0]
				}
				buyers.Go(func() {
					if _, err := s.Place(context.Background(), lines); err != nil {
						t.Errorf("Place = %v", err)
					}
				})
			}
			buyers.Wait()
			if a, b := s.mustGet(t, "A-1"), s.mustGet(t, "B-1"); a.OnHand != 960 || b.OnHand != 960 {
				t.Errorf("%d and %d left, want 960 of both", a.OnHand, b.OnHand)
			}
		})
	}
}
