package order

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // goose uses database/sql
	"github.com/pressly/goose/v3"

	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
	"orderd/migrations"
)

// oldestHashed is the first schema version that hashes keys. Before it they are stored as
// they were sent.
const oldestHashed = 9

// asBefore writes orders with keys as the version did that stored keys themselves.
func asBefore(ctx context.Context, db *pgxpool.Pool, requests ...Request) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(requests))
	batch := &pgx.Batch{} // one transaction
	for i, r := range requests {
		ids[i] = uuid.Must(uuid.NewV7())
		batch.Queue(`INSERT INTO orders (id, client, idempotency_key, request_hash, status) VALUES ($1, $2, $3, $4, 'confirmed')`,
			ids[i], r.Client, r.Key, r.hash())
		batch.Queue(placeLine, r.Lines[0].SKU, r.Lines[0].Quantity, ids[i], int64(1), "before")
	}
	return ids, db.SendBatch(ctx, batch).Close()
}

// Keys of the previous version are hashed by the migrations, and found; and while replicas
// of both versions run, no key places two orders.
func TestStoredKey_AcrossVersions(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	plain, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, plain, os.DirFS("../../migrations"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), oldestHashed-1); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	skus := make([]string, 100) // updating one row again and again in a transaction takes longer each time
	for i := range skus {
		skus[i] = "A-" + strconv.Itoa(i)
		if _, _, err := stock.NewStore(db, "r1").Set(t.Context(), skus[i], 100, ""); err != nil {
			t.Fatal(err)
		}
	}
	// More keys than the migration converts at a time, some with unusual contents.
	keys := []string{"k", `back\slash"quote`, strings.Repeat("~", stock.MaxKey), strings.Repeat("0", 64), "sha256"}
	for len(keys) < 5_100 {
		keys = append(keys, uuid.NewString())
	}
	var placed []Request
	for i, key := range keys {
		placed = append(placed, Request{Client: []string{"", "ann", "bob"}[i%3], Key: key, Lines: []Line{{skus[i%100], 1}}})
	}
	ids, err := asBefore(t.Context(), db, placed...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	l := NewLedger(db, "r1")
	for i, r := range placed {
		if i > 100 && i < 5_000 {
			continue
		}
		if o, err := replayed(t, l, r); err != nil || o.ID != ids[i] {
			t.Errorf("%s's key %q is that of order %s, %v; want %s", r.Client, r.Key, o.ID, err, ids[i])
		}
	}

	// A replica of the previous version runs on for a while.
	late := Request{Client: "ann", Key: "late-and-not-by-chance-in-a-hash", Lines: []Line{{"A-1", 1}}}
	if ids, err = asBefore(t.Context(), db, late); err != nil {
		t.Fatal(err)
	}
	if o, err := replayed(t, l, late); err != nil || o.ID != ids[0] {
		t.Errorf("its order is found as %+v, %v; want %s", o, err, ids[0])
	}
	fresh := Request{Client: "ann", Key: "fresh-and-not-by-chance-in-a-hash", Lines: []Line{{"A-1", 1}}}
	if _, err := l.Commit(t.Context(), draft{Request: fresh, token: func(string) int64 { return 1 }, held: func() error { return nil }}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []Request{placed[1], late, fresh} {
		_, err := asBefore(t.Context(), db, r)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.ConstraintName != "orders_idempotency_key" {
			t.Errorf("a retry with key %q at a replica of the version before = %v, want it refused by the key's index", r.Key, err)
		}
	}

	// No key is stored in plain text.
	var rows string
	if err := db.QueryRow(t.Context(), "SELECT string_agg(o::text, ' ') FROM orders o WHERE idempotency_key IS NOT NULL").Scan(&rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range append(placed[1:3], append(placed[5:], late, fresh)...) {
		if strings.Contains(rows, r.Key) {
			t.Errorf("the table of orders holds the key %q", r.Key)
			break
		}
	}
}
