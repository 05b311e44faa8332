package order_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/internal/order"
)

// spoil changes a SKU's row as nobody may: whatever is sold or returned then fails, as its version
// is in the ledger already.
func (s *shop) spoil(t *testing.T, sku string) {
	t.Helper()
	if _, err := s.db.Exec(t.Context(), "UPDATE stock SET version = 0 WHERE sku = $1", sku); err != nil {
		t.Fatal(err)
	}
}

// A SKU whose row was changed by hand fails its own orders, and not those of others in their group.
func TestGroup_ASKUWhoseRowIsWrongFailsAlone(t *testing.T) {
	t.Parallel()
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.Lanes.OneLane()
	for _, sku := range []string{"A-1", "B-1", "C-1"} {
		s.mustSet(t, sku, 10, "")
	}
	s.spoil(t, "A-1")
	skus := []string{"C-1", "A-1", "B-1", "A-1", "C-1"}
	var carts [][]order.Line
	for _, sku := range skus {
		carts = append(carts, one(sku))
	}
	for i, answer := range s.placeAll(t, g, carts) {
		if (answer.err != nil) != (skus[i] == "A-1") {
			t.Errorf("an order of %s: %v", skus[i], answer.err)
		}
	}
	for sku, want := range map[string]int64{"A-1": 10, "B-1": 9, "C-1": 8} {
		if got := s.mustGet(t, sku).OnHand; got != want {
			t.Errorf("%d of %s are on hand, want %d", got, sku, want)
		}
	}
}

// beginRestock adds ten units of A-1 in a transaction that is yet to be committed.
func (s *shop) beginRestock(t *testing.T) pgx.Tx {
	t.Helper()
	tx, err := s.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	if _, err := tx.Exec(t.Context(), `
		WITH changed AS (UPDATE stock SET on_hand = on_hand + 10, version = version + 1 WHERE sku = 'A-1' RETURNING *)
		INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		SELECT sku, 10, 'restock', on_hand, version, 'other' FROM changed`); err != nil {
		t.Fatal(err)
	}
	return tx
}

// awaitBlocked returns once a transaction waits for another's lock.
func (s *shop) awaitBlocked(t *testing.T) {
	t.Helper()
	waits := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for deadline, n := time.Now().Add(10*time.Second), 0; n == 0; {
		if err := s.db.QueryRow(t.Context(), waits).Scan(&n); err != nil || time.Now().After(deadline) {
			t.Fatalf("nobody waits: %v", err)
		}
	}
}

// An order that is short by what a group has read is not refused if its rows have more by
// the time that the group is written.
func TestGroup_WhoIsShortIsSettledAnewIfMoreHasComeIn(t *testing.T) {
	t.Parallel()
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.mustSet(t, "A-1", 2, "")
	restock := s.beginRestock(t)
	errs := make([]error, 2)
	var placing sync.WaitGroup
	for i, n := range []int64{2, 1} {
		placing.Go(func() { _, errs[i] = s.Place(context.Background(), []order.Line{{SKU: "A-1", Quantity: n}}) })
		await(t, "the orders wait in their lane", func() bool { return s.Lanes.Waiting() == i && g.asked.Load() })
	}
	close(g.open)
	s.awaitBlocked(t)
	if err := restock.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	placing.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Errorf("orders of 2 units and of 1, of 12: %v", err)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 9 || item.Sold != 3 {
		t.Errorf("stock = %+v, want 9 left and 3 sold", item)
	}
}
