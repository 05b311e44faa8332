package migrations_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

// newUser creates a user on the server at databaseURL and returns its name, and the URL that it
// connects with.
func newUser(t *testing.T, databaseURL, attributes string) (name, userURL string) {
	t.Helper()
	name = "test_" + strings.ToLower(rand.Text())
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), "CREATE ROLE "+name+" LOGIN "+attributes); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(name)
	return name, u.String()
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// denied reports whether Postgres refused it for lack of rights.
func denied(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "42501"
}

func TestService_CanSellAndCannotTakeBack(t *testing.T) {
	t.Parallel()
	database := stacktest.Postgres(t)
	if _, err := migrations.Up(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	_, app := newUser(t, database, "IN ROLE orderd_service")
	conn := connect(t, app)
	const id = "'018f6b1e-0000-7000-8000-000000000000'"
	for _, sql := range []string{
		"INSERT INTO stock (sku, on_hand) VALUES ('A-1', 5)",
		"INSERT INTO orders (id, status) VALUES (" + id + ", 'confirmed')",
		"UPDATE stock SET on_hand = on_hand - 1, sold = sold + 1, version = version + 1, fence = 1, updated_at = now()",
		"INSERT INTO movements (sku, delta, reason, order_id, on_hand, version, replica) VALUES ('A-1', -1, 'sale', " + id + ", 4, 2, 'r')",
		"UPDATE orders SET status = 'confirmed', updated_at = now()",
		"INSERT INTO adjustments (key, request_hash, sku, version, sold) VALUES ('k', '', 'A-1', 2, 1)", "SELECT * FROM adjustments",
		"SELECT * FROM stock FOR UPDATE", "SELECT * FROM orders FOR UPDATE SKIP LOCKED", "SELECT * FROM movements",
		"SELECT nextval('orderd_lock_token')", "SELECT pg_try_advisory_lock(1)",
	} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"DROP TABLE movements", "DROP TABLE orders CASCADE", "TRUNCATE stock", "TRUNCATE movements",
		"DELETE FROM adjustments", "UPDATE adjustments SET request_hash = 'x'",
		"DELETE FROM orders", "DELETE FROM movements", "DELETE FROM stock",
		"UPDATE movements SET delta = 0", "UPDATE movements SET at = now()",
		"UPDATE orders SET client = 'thief'", "UPDATE orders SET idempotency_key = 'k'", "UPDATE orders SET created_at = now()",
		"UPDATE stock SET guard = 'none'", "UPDATE stock SET sku = 'B-1'",
		"ALTER TABLE stock DISABLE TRIGGER ALL", "ALTER TABLE stock DROP CONSTRAINT stock_not_oversold",
		"CREATE TABLE mine (n int)", "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE SCHEMA mine",
		"DROP FUNCTION stock_is_kept CASCADE", "SELECT setval('orderd_lock_token', 1)",
		"COPY orders TO PROGRAM 'cat'", "COPY orders TO '/tmp/orders'", "SELECT pg_read_file('/etc/passwd')",
		"SELECT * FROM goose_db_version", "CREATE ROLE mine", "ALTER SYSTEM SET fsync = off", "SET ROLE postgres",
		"SET session_replication_role = replica",
	} {
		if _, err := conn.Exec(t.Context(), sql); !denied(err) {
			t.Errorf("%s = %v, want it denied", sql, err)
		}
	}
}

// A role that may not create roles can migrate all the same, and the service's rights are
// granted by the next run after the service's role was created.
func TestUp_WithoutTheRightToMakeRoles(t *testing.T) {
	t.Parallel()
	// A server of its own: roles are server-wide, and other tests create this one.
	server, err := stacktest.Stack(t).Postgres(t.Context(), "roles-postgres", "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	admin := connect(t, server.URL)
	owner, ownerURL := newUser(t, server.URL, "NOCREATEROLE")
	if _, err := admin.Exec(t.Context(), "GRANT CREATE ON SCHEMA public TO "+owner); err != nil {
		t.Fatal(err)
	}
	up := func() {
		t.Helper()
		if _, err := migrations.Up(t.Context(), ownerURL); err != nil {
			t.Fatalf("Up = %v", err)
		}
	}
	up()
	if _, err := admin.Exec(t.Context(), "CREATE ROLE orderd_service NOLOGIN"); err != nil {
		t.Fatalf("the role was made by one that may not: %v", err)
	}
	_, app := newUser(t, server.URL, "IN ROLE orderd_service")
	conn := connect(t, app)
	if _, err := conn.Exec(t.Context(), "SELECT * FROM stock"); !denied(err) {
		t.Errorf("before: %v, want it denied", err)
	}
	up()
	if _, err := conn.Exec(t.Context(), "SELECT * FROM stock"); err != nil {
		t.Errorf("after: %v", err)
	}
}

// Rights that were granted by hand, or by another version, are revoked.
// In the schema there may be somebody else's tables, which the migrating role has no right to.
func TestUp_LeavesOthersTablesAlone(t *testing.T) {
	t.Parallel()
	database := stacktest.Postgres(t)
	admin := connect(t, database)
	owner, ownerURL := newUser(t, database, "CREATEROLE")
	for _, statement := range []string{
		"GRANT USAGE, CREATE ON SCHEMA public TO " + owner, "CREATE TABLE scratch (n int)", "REVOKE ALL ON scratch FROM PUBLIC",
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, err := migrations.Up(t.Context(), ownerURL); err != nil {
			t.Errorf("Up beside another's table = %v", err)
		}
	}
}

func TestUp_TakesBackWhatItDoesNotGrant(t *testing.T) {
	t.Parallel()
	database := stacktest.Postgres(t)
	if _, err := migrations.Up(t.Context(), database); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, database).Exec(t.Context(), "GRANT ALL ON movements TO orderd_service"); err != nil {
		t.Fatal(err)
	}
	_, app := newUser(t, database, "IN ROLE orderd_service")
	conn := connect(t, app)
	if _, err := conn.Exec(t.Context(), "DELETE FROM movements"); err != nil {
		t.Fatal(err)
	}
	// By many at once, as when replicas start together.
	var ups sync.WaitGroup
	for range 4 {
		ups.Go(func() {
			if _, err := migrations.Up(t.Context(), database); err != nil {
				t.Errorf("Up = %v", err)
			}
		})
	}
	ups.Wait()
	if _, err := conn.Exec(t.Context(), "DELETE FROM movements"); !denied(err) {
		t.Errorf("DELETE = %v, want it denied", err)
	}
}
