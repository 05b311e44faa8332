package stock

import (
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stack/stacktest"
	"orderd/migrations"
)

// OpenMigrated migrates a database and connects to it until the test ends.
func OpenMigrated(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	if _, err := migrations.Up(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// OpenRedis connects to a Redis server of the test's own until the test ends.
func OpenRedis(t *testing.T) *redis.Client {
	t.Helper()
	return stacktest.OpenRedis(t, stacktest.Redis(t))
}
