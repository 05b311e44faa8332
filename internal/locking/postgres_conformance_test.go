package locking_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// tokenSequence is what the migrations create.
const tokenSequence = "CREATE SEQUENCE orderd_lock_token"

// postgresDatabase creates the sequence in a database, and returns a pool to look into it.
func postgresDatabase(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := pool.Exec(t.Context(), tokenSequence); err != nil {
		t.Fatal(err)
	}
	return pool
}

func openPostgres(t testing.TB, url string, ttl time.Duration) *locking.Postgres {
	t.Helper()
	p, err := newPostgres(url, ttl)
	return closing(t, p, err)
}

func newPostgres(addr string, ttl time.Duration) (*locking.Postgres, error) {
	return locking.NewPostgres(locking.PostgresConfig{URL: postgresURL(addr), TTL: ttl, Owner: "test"})
}

// lockOf selects the sessions that hold a key's lock or wait for it.
const lockOf = `
SELECT l.pid FROM pg_locks l, hashtextextended($1, 8245081412951601764) AS id
WHERE l.locktype = 'advisory'
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.classid::bigint = (id >> 32) & 4294967295 AND l.objid::bigint = id & 4294967295`

func postgresSessions(t testing.TB, db *pgxpool.Pool, key string) []int32 {
	t.Helper()
	rows, err := db.Query(t.Context(), lockOf, key)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// endSession ends the only session that holds or waits for a key.
func endSession(t testing.TB, db *pgxpool.Pool, key string) {
	t.Helper()
	pids := postgresSessions(t, db, key)
	if len(pids) != 1 {
		t.Fatalf("%q has the sessions %v, want the holder's alone", key, pids)
	}
	var ended bool
	err := db.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pids[0]).Scan(&ended)
	if err != nil || !ended {
		t.Fatalf("pg_terminate_backend() = %v, %v", ended, err)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Exclusive: true, CrossProcess: true, Leased: true, Fenced: true,
		TTL: ttl,
		Backend: func(t testing.TB) lockingtest.Backend {
			url := stacktest.Postgres(t)
			db := postgresDatabase(t, url)
			return lockingtest.Backend{
				Addr: url,
				Open: func(t testing.TB) locking.Locker { return connected(t, openPostgres(t, url, ttl)) },
				Residue: func(t testing.TB, keys ...string) (left []string) {
					for _, key := range keys {
						for _, pid := range postgresSessions(t, db, key) {
							left = append(left, fmt.Sprint(key, " of session ", pid))
						}
					}
					return left
				},
				Delete: func(t testing.TB, key string) { endSession(t, db, key) },
			}
		},
		StartServer: startPostgres,
		OpenAt: func(t testing.TB, addr string, ttl time.Duration) locking.Locker {
			return openPostgres(t, postgresURL(addr), ttl)
		},
		HoldElsewhere: holdElsewhere(locking.ModePostgres),
	})
}

// postgresURL returns the URL of the database at an address: of a server that
// the suite mistreats, or a URL itself.
func postgresURL(addr string) string {
	if u, err := url.Parse(addr); err == nil && u.Scheme == "postgres" {
		return addr
	}
	return "postgres://postgres@" + addr + "/postgres?sslmode=disable"
}

func startPostgres(t testing.TB) lockingtest.Server {
	t.Helper()
	pg, err := stacktest.Stack(t).Postgres(t.Context(), fmt.Sprintf("postgres-%d", serial.Add(1)), "fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pg.Kill() })
	u, err := url.Parse(pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), pg.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), tokenSequence); err != nil {
		t.Fatal(err)
	}
	return lockingtest.Server{Addr: u.Host, Process: pg.Process}
}
