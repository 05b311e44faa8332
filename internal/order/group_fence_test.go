package order

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A group moves its rows' fence up to its token, and never back.
func TestLedger_AGroupRaisesTheFence(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	fence := func(sku string) (n int64) {
		if err := db.QueryRow(t.Context(), "SELECT fence FROM stock WHERE sku = $1", sku).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	place := func(token int64, foreseen bool, sku string) error {
		d := groupOf([]Line{{sku, 1}})
		d.token = func(string) int64 { return token }
		if foreseen {
			d.foresee(t, s)
		}
		_, refused, err := l.CommitGroup(t.Context(), d)
		if err != nil {
			return err
		}
		return refused[0]
	}
	for _, row := range []struct {
		guard    stock.Guard
		foreseen bool
	}{{stock.GuardFence, false}, {stock.GuardPredicate, false}, {stock.GuardPredicate, true}, {stock.GuardNone, false}} {
		sku := uuid.NewString()
		if _, _, err := s.Set(t.Context(), sku, 9, row.guard); err != nil {
			t.Fatal(err)
		}
		if err := place(7, row.foreseen, sku); err != nil || fence(sku) != 7 {
			t.Errorf("%+v: %v, fence %d, want 7", row, err, fence(sku))
		}
		err := place(6, row.foreseen, sku)
		if refused := errors.Is(err, ErrLeaseLost); refused != (row.guard == stock.GuardFence) || fence(sku) != 7 {
			t.Errorf("%+v, with an older token: %v, fence %d, want 7", row, err, fence(sku))
		}
	}
}

// The lease is checked before the COMMIT, also where the rows are not read first.
func TestLedger_AGroupWithoutItsLeaseIsNotCommitted(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A-1", 5, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	for _, foreseen := range []bool{false, true} {
		d := groupOf([]Line{{"A-1", 1}})
		if foreseen {
			d.foresee(t, s)
		}
		d.held = func() error { return locking.ErrLost }
		if _, _, err := l.CommitGroup(t.Context(), d); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("foreseen %v: CommitGroup = %v, want ErrLeaseLost", foreseen, err)
		}
	}
}
