package order

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
	"orderd/migrations"
)

// A COMMIT whose wait for a standby is broken off is visible to others, and on this server
// alone. No client is told that its order is placed.
func TestLedger_AnswersForWhatAStandbyHas(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Postgres(t.Context(), "postgres-replicated")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), server.URL); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), server.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	l := NewLedger(db, "r1")
	for _, sku := range []string{"A", "B"} {
		if _, _, err := stock.NewStore(db, "r1").Set(t.Context(), sku, 10, stock.GuardPredicate); err != nil {
			t.Fatal(err)
		}
	}
	place := map[string]func() error{
		"one order": func() error { _, err := l.Commit(t.Context(), draftOf(1, Line{"A", 1})); return err },
		"a group": func() error {
			d := groupOf([]Line{{"B", 1}})
			d.orders[0].Key = "k"
			_, _, err := l.CommitGroup(t.Context(), d)
			return err
		},
	}
	held := groupOf([]Line{{"B", 1}})
	held.orders[0].HoldSeconds = 600
	holds, _, err := l.CommitGroup(t.Context(), held)
	if err != nil {
		t.Fatal(err)
	}
	replicated(t, db, "nobody")
	answers := map[string]chan error{}
	for name, place := range place {
		answer := make(chan error, 1)
		answers[name] = answer
		go func() { answer <- place() }()
	}
	for name, answer := range answers {
		if err := <-answer; !errors.Is(err, ErrUnknown) {
			t.Errorf("%s = %v, want ErrUnknown", name, err)
		}
	}
	for range 2 { // the second finds what the first has written
		ctx, cancel := context.WithTimeout(t.Context(), keysLimit)
		if o, _, err := l.Confirm(ctx, "", holds[0].ID); !errors.Is(err, stock.ErrUnavailable) {
			t.Errorf("Confirm() = %+v, %v; want ErrUnavailable", o, err)
		}
		cancel()
	}
	ctx, cancel := context.WithTimeout(t.Context(), keysLimit)
	defer cancel()
	if first, err := l.replays(ctx, []Request{{Key: "k"}}); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("the key = %+v, %v, want ErrUnavailable", first, err)
	}

	replicated(t, db, "")
	first, err := l.replays(t.Context(), []Request{{Key: "k"}})
	if o := first[claimedKey{key: "k"}]; err != nil || o.ID == uuid.Nil || !o.Replayed {
		t.Errorf("the key once nobody waits for a standby = %+v, %v, want its order", first, err)
	}
}

// replicated makes commits wait for a standby of that name, or for none, and returns once
// that is in effect.
func replicated(t *testing.T, db *pgxpool.Pool, name string) {
	t.Helper()
	for _, change := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + name + "'", "SELECT pg_reload_conf()"} {
		// Its own COMMIT may have to wait already, and is broken off then.
		if _, err := db.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	waits := func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := db.Exec(ctx, "SELECT pg_logical_emit_message(true, 'test', '')")
		return err != nil
	}
	for deadline := time.Now().Add(20 * time.Second); waits() != (name != ""); {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s commits do not yet wait for %q", name)
		}
	}
}
