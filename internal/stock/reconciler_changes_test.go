package stock

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stack/stacktest"
)

// openReconciler returns one that makes no pass by itself.
func openReconciler(t *testing.T) *Reconciler {
	t.Helper()
	db := OpenMigrated(t, stacktest.MigratedPostgres(t))
	store := NewStore(db, "r1")
	return NewReconciler(db, store, NewCache(OpenRedis(t), store), time.Hour, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
}

// The walk may be anywhere in the stock. A SKU that has changed is checked at once.
func TestReconciler_DoesNotWaitForTheWalk(t *testing.T) {
	t.Parallel()
	r := openReconciler(t)
	for _, sku := range []string{"A", "B", "C"} {
		item, _, err := r.store.Set(t.Context(), sku, 10, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.cache.PutNewer(t.Context(), item.Level); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.reader.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.reader.db.Exec(t.Context(), "UPDATE ledger_readers SET walked = 'B'"); err != nil {
		t.Fatal(err)
	}
	item, _, err := r.store.Adjust(t.Context(), Adjustment{SKU: "A", Delta: -1, Reason: "broken"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	levels, err := r.cache.known(t.Context(), []string{"A"})
	if err != nil || levels["A"] != item.Level {
		t.Errorf("in Redis %+v, %v after a pass; want %+v", levels["A"], err, item.Level)
	}
}

// A movement may become visible after others with higher ids: the reconciler comes back for it.
func TestReconciler_ComesBackForWhatIsStillBeingWritten(t *testing.T) {
	t.Parallel()
	r := openReconciler(t)
	db := r.reader.db
	const move = `INSERT INTO movements (sku, delta, reason, on_hand, version, replica) VALUES ($1, 1, 'test', 1, 1, 'r')`
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), move, "A"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), move, "B"); err != nil {
		t.Fatal(err)
	}
	var place turn
	mustReach := func(position int64) {
		t.Helper()
		if err := r.changes(t.Context(), &place, suspects{}); err != nil || place.position != position {
			t.Errorf("changes: at %d, %v; want %d", place.position, err, position)
		}
	}
	mustReach(0)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustReach(2)
}

// What cannot be repaired is found again in each pass, and is one drift all the same.
func TestReconciler_CountsWhatItHasRepaired(t *testing.T) {
	t.Parallel()
	r := openReconciler(t)
	item, _, err := r.store.Set(t.Context(), "A", 10, "")
	if err != nil {
		t.Fatal(err)
	}
	wrong := item.Level
	wrong.OnHand++
	drifts := []Drift{{Direction: High, Redis: wrong, Postgres: item.Level}}
	cache := r.cache
	down := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = down.Close() })
	for _, row := range []struct {
		cache   *Cache
		counted float64
	}{{NewCache(down, r.store), 0}, {cache, 1}} {
		r.cache = row.cache
		err := r.repair(t.Context(), drifts)
		if n := testutil.ToFloat64(r.drifts.WithLabelValues(string(High))); n != row.counted || (err == nil) != (n == 1) {
			t.Errorf("repair = %v, %v drifts are counted; want %v", err, n, row.counted)
		}
	}
}
