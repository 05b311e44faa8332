package stock

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderd/internal/stack/stacktest"
)

// A movement may become visible after others with higher ids: the reconciler comes back for it.
func TestReconciler_ComesBackForWhatIsStillBeingWritten(t *testing.T) {
	t.Parallel()
	db := OpenMigrated(t, stacktest.Postgres(t))
	store := NewStore(db, "r1")
	r := NewReconciler(db, store, NewCache(OpenRedis(t), store), time.Hour, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
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
