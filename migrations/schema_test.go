package migrations_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

// What the schema itself refuses, also to the tables' owner, whom no missing right stops.
func TestUp_TheSchemaKeepsTheBooks(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	if _, err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db := connect(t, url)
	exec(t, db, "INSERT INTO stock (sku, on_hand) VALUES ('A', 10)")
	exec(t, db, "INSERT INTO movements (sku, delta, reason, on_hand, version, replica) VALUES ('A', 10, 'created', 10, 1, 'r')")
	exec(t, db, "INSERT INTO orders (id, status) VALUES (gen_random_uuid(), 'confirmed')")
	const kept, check, unique = "23503", "23514", "23505"
	for sql, code := range map[string]string{
		"DELETE FROM stock":                        kept,
		"UPDATE stock SET sku = 'B'":               kept,
		"DELETE FROM orders":                       kept,
		"UPDATE orders SET id = gen_random_uuid()": kept,
		"INSERT INTO movements (sku, delta, reason, on_hand, version, replica) VALUES ('A', -1, 'sale', 9, 2, 'r')": check, // of no order
		"INSERT INTO movements (sku, delta, reason, on_hand, version, replica) VALUES ('A', -1, 'x', 9, 1, 'r')":    unique,
		"INSERT INTO stock (sku, on_hand) VALUES ('a/b', 1)":                                                        check,
		"UPDATE orders SET status = 'lost'":                                                                         check,
		"UPDATE orders SET status = 'held'":                                                                         check, // until when?
		"UPDATE stock SET guard = 'hope'":                                                                           check,
	} {
		_, err := db.Exec(t.Context(), sql)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != code {
			t.Errorf("%s = %v, want SQLSTATE %s", sql, err, code)
		}
	}
}
