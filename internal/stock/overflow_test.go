package stock_test

import (
	"testing"
	"time"

	"orderd/internal/stock"
)

// Numbers that no level can have are no level, to those who read as to those who repair.
func TestReconciler_RepairsNumbersThatOverflow(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	mustSet(t, s.store, "A", 5, stock.GuardPredicate)
	mustSet(t, s.store, "B", 5, stock.GuardPredicate)
	for sku, fields := range map[string][]any{
		"A": {"level", "5", "version", "99999999999999999999", "guard", "predicate"},
		"B": {"level", "99999999999999999999", "version", "7", "guard", "predicate"},
	} {
		if err := s.redis.HSet(t.Context(), "orderd:stock:"+sku, fields...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	_, stop := s.reconcile(t, 20*time.Millisecond)
	defer stop()
	for _, sku := range []string{"A", "B"} {
		await(t, sku+" is repaired or gone", func() bool {
			version, err := s.redis.HGet(t.Context(), "orderd:stock:"+sku, "version").Int64()
			return err != nil && s.redis.Exists(t.Context(), "orderd:stock:"+sku).Val() == 0 || err == nil && version == 1
		})
	}
	if err := s.redis.HSet(t.Context(), "orderd:stock:A", "version", "99999999999999999999").Err(); err != nil {
		t.Fatal(err)
	}
	if levels, err := s.cache.Levels(t.Context(), []string{"A"}); err != nil || levels["A"].OnHand != 5 {
		t.Errorf("Levels() = %+v, %v; want 5", levels, err)
	}
}
