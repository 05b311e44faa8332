package stock_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

// A COMMIT that was broken off while it waited for a standby is visible on the primary. No
// event tells of it before a standby has it: the one that takes over may not.
func TestRelay_PublishesWhatStandbysHave(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Postgres(t.Context(), "postgres-events")
	if err != nil {
		t.Fatal(err)
	}
	db := stock.OpenMigrated(t, server.URL)
	store, client := stock.NewStore(db, "r1"), stock.OpenRedis(t)
	s := shop{db, store, client, stock.NewCache(client, store)}
	s.relay(t, client)
	mustSet(t, store, "A", 5, "")
	await(t, "the first event", func() bool { return len(entries(t, client)) == 1 })
	admin, err := pgx.Connect(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close(context.Background()) })
	standbys := func(name string) {
		t.Helper()
		// Its own COMMIT waits for none.
		for _, change := range []string{"SET synchronous_commit = local", "ALTER SYSTEM SET synchronous_standby_names = '" + name + "'", "SELECT pg_reload_conf()"} {
			if _, err := admin.Exec(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
	}
	standbys("nobody")
	waits := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		return stock.WaitDurable(ctx, db) != nil
	}
	await(t, "commits wait for a standby", waits)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, _, err := store.Adjust(ctx, stock.Adjustment{SKU: "A", Delta: 3, Reason: "restock"}); err == nil {
		t.Fatal("Adjust has not waited for a standby")
	}
	await(t, "what was broken off is visible", func() bool {
		item, err := store.Get(t.Context(), "A")
		return err == nil && item.OnHand == 8
	})
	for range 4 { // each takes half a second, in which the relay looks several times
		if !waits() || len(entries(t, client)) != 1 {
			t.Fatalf("%d events, want 1 while no standby has the second", len(entries(t, client)))
		}
	}
	standbys("")
	await(t, "the second event", func() bool { return len(entries(t, client)) == 2 })
}
