package stock_test

import (
	"errors"
	"testing"

	"orderd/internal/stock"
)

func TestStore_Set(t *testing.T) {
	t.Parallel()
	_, s := open(t)

	item, created, err := s.Set(t.Context(), "A-1", 100, "")
	if err != nil || !created || item.OnHand != 100 || item.Version != 1 || item.Guard != stock.GuardPredicate {
		t.Fatalf("first Set = %+v, %v, %v; want a new predicate row of 100 at version 1", item, created, err)
	}
	item, created, err = s.Set(t.Context(), "A-1", 30, stock.GuardPredicate)
	if err != nil || created || item.OnHand != 30 || item.Version != 2 {
		t.Fatalf("second Set = %+v, %v, %v; want 30 at version 2", item, created, err)
	}
	item, _, err = s.Set(t.Context(), "A-1", 30, "")
	if err != nil || item.Version != 2 {
		t.Fatalf("Set to the same level = %+v, %v; want no new version", item, err)
	}
	if _, _, err = s.Set(t.Context(), "A-1", 5, stock.GuardNone); !errors.Is(err, stock.ErrInvalid) {
		t.Fatalf("Set with another guard = %v, want ErrInvalid: a guarded row stays guarded", err)
	}
	movements, err := s.Movements(t.Context(), "A-1", 0, 10)
	if err != nil || len(movements) != 2 {
		t.Fatalf("Movements = %v, %v; want 2", movements, err)
	}
	for i, want := range []stock.Movement{
		{Version: 1, Delta: 100, Reason: "created", OnHand: 100},
		{Version: 2, Delta: -70, Reason: "set", OnHand: 30},
	} {
		got := movements[i]
		if got.Version != want.Version || got.Delta != want.Delta || got.Reason != want.Reason ||
			got.OnHand != want.OnHand || got.Replica != "r1" {
			t.Errorf("movement %d = %+v, want %+v", i, got, want)
		}
	}
}

func TestStore_Adjust(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	mustSet(t, s, "A-1", 10, "")

	item, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 5, Reason: "restock"})
	if err != nil || item.OnHand != 15 || item.Received() != 15 || item.Version != 2 {
		t.Fatalf("Adjust(5) = %+v, %v; want 15 at version 2", item, err)
	}
	var short *stock.ShortError
	if _, _, err = s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -16, Reason: "broken"}); !errors.As(err, &short) || short.Remaining != 15 {
		t.Errorf("Adjust(-16) = %v, want ShortError with 15 remaining", err)
	}
	if _, _, err = s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: stock.MaxOnHand, Reason: "restock"}); !errors.Is(err, stock.ErrInvalid) {
		t.Errorf("Adjust past the maximum = %v, want ErrInvalid", err)
	}
	if _, _, err = s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 1, Reason: "Sale"}); !errors.Is(err, stock.ErrInvalid) {
		t.Errorf("Adjust with orderd's own reason = %v, want ErrInvalid", err)
	}
	if _, _, err = s.Adjust(t.Context(), stock.Adjustment{SKU: "B-1", Delta: 1, Reason: "restock"}); !errors.Is(err, stock.ErrUnknownSKU) {
		t.Errorf("Adjust of an unknown SKU = %v, want ErrUnknownSKU", err)
	}
	if item, err = s.Get(t.Context(), "A-1"); err != nil || item.OnHand != 15 || item.Version != 2 {
		t.Errorf("after refusals Get = %+v, %v; want it unchanged", item, err)
	}
}

// A cancel returns its units even if the level was set to the maximum meanwhile.
func TestStore_AboveTheMaximumUnitsCanBeTakenAway(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", stock.MaxOnHand, "")
	if _, err := db.Exec(t.Context(), "UPDATE stock SET on_hand = on_hand + 5"); err != nil {
		t.Fatal(err)
	}
	item, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -1, Reason: "broken"})
	if err != nil || item.OnHand != stock.MaxOnHand+4 {
		t.Errorf("Adjust(-1) = %+v, %v; want one less", item, err)
	}
	if _, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 1, Reason: "restock"}); !errors.Is(err, stock.ErrInvalid) {
		t.Errorf("Adjust(1) = %v, want ErrInvalid", err)
	}
}

func TestStore_Claim(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	mustSet(t, s, "C-1", 10, stock.GuardClaim)
	mustSet(t, s, "P-1", 10, "")

	if level, ok, err := s.Claim(t.Context(), "C-1", 7); err != nil || !ok || level.OnHand != 10 {
		t.Fatalf("Claim(7) = %+v, %v, %v; want 10", level, ok, err)
	}
	if _, ok, err := s.Claim(t.Context(), "C-1", 6); err != nil || ok {
		t.Fatalf("Claim(6) after 7 = %v, %v; want it refused", ok, err)
	}
	if _, ok, err := s.Claim(t.Context(), "P-1", 7); err != nil || ok {
		t.Fatalf("Claim of a predicate row = %v, %v; want it refused", ok, err)
	}
}

func TestStore_List(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	for _, sku := range []string{"B", "A", "C"} {
		mustSet(t, s, sku, 1, "")
	}
	items, err := s.List(t.Context(), "A", 10)
	if err != nil || len(items) != 2 || items[0].SKU != "B" || items[1].SKU != "C" {
		t.Fatalf("List after A = %+v, %v; want B, C", items, err)
	}
}

func TestSchema_keepsAPredicateRowAboveZeroWhoeverAsks(t *testing.T) {
	t.Parallel()
	db, s := open(t)
	mustSet(t, s, "A-1", 1, "")
	if _, err := db.Exec(t.Context(), "UPDATE stock SET on_hand = -1 WHERE sku = 'A-1'"); err == nil {
		t.Fatal("the database let a guarded row go below zero")
	}
}

func TestValidSKU(t *testing.T) {
	t.Parallel()
	long := make([]byte, stock.SKUMaxLength+1)
	for i := range long {
		long[i] = 'a'
	}
	for sku, want := range map[string]bool{
		"A-1": true, "a.b_c-9": true, "...": true, "..a": true, ".a": true, string(long[1:]): true,
		"": false, ".": false, "..": false, "a/b": false, "a b": false, "a\x00": false, "a\n": false,
		"{a}": false, "é": false, "а": false, "a:b": false, "*": false, string(long): false,
	} {
		if got := stock.ValidSKU(sku); got != want {
			t.Errorf("ValidSKU(%q) = %v, want %v", sku, got, want)
		}
	}
}
