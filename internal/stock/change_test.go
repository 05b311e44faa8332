package stock_test

import (
	"context"
	"errors"
	"testing"

	"orderd/internal/stock"
)

// A change waits for the sale that has the row, and starts from the level that it leaves.
func TestStore_ChangesWaitForTheRow(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		change func(context.Context, *stock.Store) error
		want   int64
		err    error
	}{
		"set": {func(ctx context.Context, s *stock.Store) error {
			_, _, err := s.Set(ctx, "A", 20, "")
			return err
		}, 20, nil},
		"adjust": {func(ctx context.Context, s *stock.Store) error {
			_, _, err := s.Adjust(ctx, stock.Adjustment{SKU: "A", Delta: -5, Reason: "broken"})
			return err
		}, 0, stock.ErrShort},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, s := open(t)
			mustSet(t, s, "A", 10, stock.GuardNone)
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(t.Context(), `
				WITH taken AS (UPDATE stock SET on_hand = on_hand - 10, version = version + 1 RETURNING *)
				INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
				SELECT sku, -10, 'broken', on_hand, version, 'r' FROM taken`); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- row.change(t.Context(), s) }()
			await(t, "the change to wait", func() (waits bool) {
				err := db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
				return err == nil && waits
			})
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, row.err) {
				t.Errorf("the change = %v, want %v", err, row.err)
			}
			if item, err := s.Get(t.Context(), "A"); err != nil || item.OnHand != row.want {
				t.Errorf("%d on hand, %v; want %d", item.OnHand, err, row.want)
			}
		})
	}
}

func TestStore_FenceNeverGoesBack(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A", 10, "")
	for _, token := range []int64{7, 6} {
		if err := s.Fence(t.Context(), "A", token); err != nil {
			t.Fatal(err)
		}
		var fence int64
		if err := db.QueryRow(t.Context(), "SELECT fence FROM stock").Scan(&fence); err != nil || fence != 7 {
			t.Errorf("after token %d the fence is %d, %v; want 7", token, fence, err)
		}
	}
}
