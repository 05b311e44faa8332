package order_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// More holds than one sweep takes, some with two lines, at two replicas.
func TestSweep_ManyAtOnce(t *testing.T) {
	t.Parallel()
	first, second := openTwo(t)
	const holds = 230
	first.mustSet(t, "A-1", holds, "")
	first.mustSet(t, "b", holds, "")
	for i := range holds {
		lines := []order.Line{{"A-1", 1}, {"b", 1}}
		first.mustPlace(t, order.Request{Lines: lines[:1+i%2], HoldSeconds: 60})
	}
	first.expire(t)
	var sweeping sync.WaitGroup
	swept := make([]int, 6)
	for i := range swept {
		sweeping.Go(func() {
			var err error
			if swept[i], err = []*shop{first, second}[i%2].Sweep(context.Background()); err != nil {
				t.Errorf("Sweep = %v", err)
			}
		})
	}
	sweeping.Wait()
	sum := 0
	for _, n := range swept {
		sum += n
	}
	if sum != holds {
		t.Errorf("%v swept, want %d in all", swept, holds)
	}
	first.mustHave(t, "A-1", holds, 0)
	first.mustHave(t, "b", holds, 0)
	var returns int
	err := first.db.QueryRow(t.Context(), "SELECT count(*) FROM movements WHERE reason = 'hold_expired'").Scan(&returns)
	if err != nil || returns != holds*3/2 {
		t.Errorf("%d returns, %v; want %d", returns, err, holds*3/2)
	}
}

// One sweep returns a hundred holds at most, so that the sales of their SKUs need not wait for
// long, and waits for nobody who is about to confirm or cancel one.
func TestSweep_TakesSomeAndSkipsWhatIsLocked(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 102, "")
	locked := s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	for range 101 {
		s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	}
	s.expire(t)
	tx, err := s.db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM orders WHERE id = $1 FOR UPDATE", locked.ID); err != nil {
		t.Fatal(err)
	}
	sweep := func(want int) {
		t.Helper()
		if n, err := s.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("Sweep = %d, %v; want %d", n, err, want)
		}
	}
	sweep(100)
	sweep(1)
	sweep(0)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	sweep(1)
	s.mustHave(t, "A-1", 102, 0)
}

// A SKU whose row was changed by hand keeps the units of its own holds, and no others.
func TestSweep_ASKUWhoseRowIsWrongFailsAlone(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	for _, sku := range []string{"A-1", "B-1", "C-1"} {
		s.mustSet(t, sku, 10, "")
	}
	for _, sku := range []string{"A-1", "B-1", "A-1", "C-1"} {
		s.mustPlace(t, order.Request{Lines: one(sku), HoldSeconds: 60})
	}
	s.spoil(t, "A-1")
	s.expire(t)
	if n, err := s.Sweep(t.Context()); n != 2 || err == nil || errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Sweep = %d, %v; want 2, and an error that will not pass", n, err)
	}
	for sku, sold := range map[string]int64{"A-1": 2, "B-1": 0, "C-1": 0} {
		if item := s.mustGet(t, sku); item.OnHand != 10-sold || item.Sold != sold {
			t.Errorf("of %s %d are on hand and %d are sold, want %d sold", sku, item.OnHand, item.Sold, sold)
		}
	}
}

// A replica that stops finishes the sweep that it is at.
func TestSweep_FinishesThoughItsContextHasEnded(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	s.expire(t)
	ctx, stop := context.WithCancel(t.Context())
	s.observe(t, func(context.Context, string) { stop() })
	if n, err := s.Sweep(ctx); n != 1 || err != nil || ctx.Err() == nil {
		t.Errorf("Sweep = %d, %v (context: %v); want 1 although it has ended", n, err, ctx.Err())
	}
	s.mustHave(t, "A-1", 5, 0)
}

func TestSweepHolds_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	s.expire(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.SweepHolds(ctx)
		close(ended)
	}()
	for deadline := time.Now().Add(10 * time.Second); s.mustGet(t, "A-1").OnHand != 5; {
		if time.Now().After(deadline) {
			t.Fatal("the hold is not swept")
		}
	}
	end()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the sweeper goes on")
	}
	if got := fmt.Sprint(s.counted(t, "orderd_order_changes_total")); got != "map[cancelled:0 confirmed:0 expired:1]" {
		t.Errorf("changes counted: %s, want one expired", got)
	}
}
