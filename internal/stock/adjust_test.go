package stock_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"orderd/internal/stock"
)

func TestAdjust_OnceForAKey(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", 10, "")
	mustSet(t, s, "B-1", 10, "")
	restock := stock.Adjustment{Client: "ann", Key: "k-1", SKU: "A-1", Delta: 5, Reason: "restock"}
	first, replayed, err := s.Adjust(t.Context(), restock)
	if err != nil || replayed || first.OnHand != 15 || first.Version != 2 {
		t.Fatalf("Adjust = %+v, %v, %v; want 15 at version 2", first, replayed, err)
	}
	if _, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -3, Reason: "broken"}); err != nil {
		t.Fatal(err)
	}
	again, replayed, err := stock.NewStore(db, "r2").Adjust(t.Context(), restock)
	if err != nil || !replayed || again != first {
		t.Errorf("again Adjust = %+v, %v, %v; want %+v, replayed", again, replayed, err, first)
	}
	for name, other := range map[string]stock.Adjustment{
		"another delta":  {Client: "ann", Key: "k-1", SKU: "A-1", Delta: 6, Reason: "restock"},
		"another reason": {Client: "ann", Key: "k-1", SKU: "A-1", Delta: 5, Reason: "found"},
		"another SKU":    {Client: "ann", Key: "k-1", SKU: "B-1", Delta: 5, Reason: "restock"},
	} {
		if item, _, err := s.Adjust(t.Context(), other); !errors.Is(err, stock.ErrKeyReused) {
			t.Errorf("%s with the same key = %+v, %v; want ErrKeyReused", name, item, err)
		}
	}
	restock.Client = "bob"
	if item, replayed, err := s.Adjust(t.Context(), restock); err != nil || replayed || item.OnHand != 17 || item.Version != 4 {
		t.Errorf("another client's with the same key = %+v, %v, %v; want one of its own, 17 at version 4", item, replayed, err)
	}
	if item, err := s.Get(t.Context(), "B-1"); err != nil || item.OnHand != 10 {
		t.Errorf("B-1 is %+v, %v; want it as it was", item, err)
	}
}

func TestAdjust_ARefusalIsNotKept(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	mustSet(t, s, "A-1", 1, "")
	take := stock.Adjustment{Key: "k-1", SKU: "A-1", Delta: -2, Reason: "broken"}
	if _, _, err := s.Adjust(t.Context(), take); !errors.Is(err, stock.ErrShort) {
		t.Fatalf("Adjust = %v, want ErrShort", err)
	}
	mustSet(t, s, "A-1", 2, "")
	if item, replayed, err := s.Adjust(t.Context(), take); err != nil || replayed || item.OnHand != 0 {
		t.Errorf("after a restock Adjust = %+v, %v, %v; want it made", item, replayed, err)
	}
}

// The lock on the SKU's row has to catch the second request with a key or, if it is for another
// SKU, the unique index of the keys.
func TestAdjust_OnceForAKeyThatComesManyTimesAtOnce(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", 0, "")
	mustSet(t, s, "B-1", 0, "")
	for round := range 10 {
		var all sync.WaitGroup
		var mu sync.Mutex
		var made, repeated, refused int
		for i := range 12 {
			sku := []string{"A-1", "B-1"}[i%2]
			store := stock.NewStore(db, "r"+strconv.Itoa(i))
			all.Go(func() {
				_, replayed, err := store.Adjust(t.Context(), stock.Adjustment{Key: strconv.Itoa(round), SKU: sku, Delta: 1, Reason: "restock"})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, stock.ErrKeyReused):
					refused++
				case err != nil:
					t.Errorf("%s: %v", sku, err)
				case replayed:
					repeated++
				default:
					made++
				}
			})
		}
		all.Wait()
		if made != 1 || repeated != 5 || refused != 6 {
			t.Errorf("round %d: made %d times, answered again %d times and refused %d times; want 1, 5 and 6", round, made, repeated, refused)
		}
	}
	a, err := s.Get(t.Context(), "A-1")
	b, err2 := s.Get(t.Context(), "B-1")
	if err != nil || err2 != nil || a.OnHand+b.OnHand != 10 {
		t.Errorf("%d and %d on hand, %v, %v; want 10 together", a.OnHand, b.OnHand, err, err2)
	}
}
