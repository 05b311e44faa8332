package migrations_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

// A migration that waits for a table does not make the shop wait behind it, and is applied once
// the table is free.
func TestUp_LetsOthersThroughWhileATableIsInUse(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	if _, err := migrations.Up(t.Context(), url+"&pool_max_conns=2"); err != nil { // a setting that no server knows
		t.Fatal(err)
	}
	reader, shop := connect(t, url), connect(t, url)
	// The schema before the migration that locks the table exclusively.
	exec(t, reader, "ALTER TABLE movements ADD CONSTRAINT movements_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders (id) NOT VALID")
	exec(t, reader, "DROP TRIGGER order_is_kept ON orders")
	exec(t, reader, "DROP FUNCTION order_is_kept()")
	exec(t, reader, "DROP TABLE adjustments")
	exec(t, reader, "DELETE FROM goose_db_version WHERE version_id >= 11")
	exec(t, reader, "BEGIN")
	exec(t, reader, "SELECT count(*) FROM movements")

	up := make(chan error, 1)
	go func() { _, err := migrations.Up(t.Context(), url); up <- err }()
	awaitWaiter(t, shop)
	exec(t, shop, "SET statement_timeout = '15s'")
	exec(t, shop, "SELECT count(*) FROM movements") // queued behind the migration
	select {
	case err := <-up:
		t.Fatalf("Up = %v while the table is in use, want it to try again", err)
	default:
	}
	exec(t, reader, "ROLLBACK")
	if err := <-up; err != nil {
		t.Errorf("Up = %v once the table is free", err)
	}
}

func exec(t *testing.T, conn *pgx.Conn, statement string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// awaitWaiter waits until a statement waits for a table's lock.
func awaitWaiter(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		var waits bool
		err := conn.QueryRow(t.Context(), `SELECT exists (SELECT FROM pg_locks
			WHERE locktype = 'relation' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		if waits {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waited for a table in 20 s")
		}
	}
}
