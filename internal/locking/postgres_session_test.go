package locking_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestPostgres_theEndOfASessionIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	lease := lockingtest.MustAcquire(t, openPostgres(t, url, longTTL), "a")
	endSession(t, db, "a")
	lockingtest.MustLose(t, lease, soon)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
}

// lockSessions lists the pids of the lockers' sessions, in order.
func lockSessions(t testing.TB, db *pgxpool.Pool) []int32 {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'orderd lock %' ORDER BY pid`)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestPostgres_sessionsOfEndedWaitsAreUsedAgain(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	lease := lockingtest.MustAcquire(t, openPostgres(t, url, longTTL), "a")
	p := connected(t, openPostgres(t, url, longTTL))
	before := lockSessions(t, db)
	for range 5 {
		lockingtest.MustBeHeld(t, p, "a")
	}
	if after := lockSessions(t, db); !slices.Equal(before, after) {
		t.Errorf("sessions before and after waits that ended: %v, %v", before, after)
	}
	lockingtest.MustRelease(t, lease)
}

// A server that was restarted leaves dead sessions in the pool. The first caller gets
// another one, and not an error.
func TestPostgres_deadSpareSessionsAreReplaced(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p := connected(t, openPostgres(t, url, longTTL))
	lockingtest.MustRelease(t, lockingtest.MustAcquire(t, p, "a"))
	spares := lockSessions(t, db)
	for _, pid := range spares {
		var ended bool
		if err := db.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&ended); err != nil || !ended {
			t.Fatalf("pg_terminate_backend() = %v, %v", ended, err)
		}
	}
	lease, err := p.Acquire(t.Context(), "a")
	if len(spares) == 0 || err != nil || lease.Token("a") == 0 || len(postgresSessions(t, db, "a")) != 1 {
		t.Fatalf("with %d spare sessions ended, Acquire() = %v; want the lock, by another session", len(spares), err)
	}
	lockingtest.MustRelease(t, lease)
}

func TestPostgres_callersQueueForConnections(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p, err := locking.NewPostgres(locking.PostgresConfig{URL: url, TTL: longTTL, Owner: "test", MaxConns: 2})
	closing(t, p, err)
	first, second := lockingtest.MustAcquire(t, p, "a"), lockingtest.MustAcquire(t, p, "b")
	lockingtest.MustBeHeld(t, p, "c")
	if n := len(lockSessions(t, db)); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	got := lockingtest.GoAcquire(t, p, "c")
	lockingtest.MustRelease(t, first)
	lockingtest.MustRelease(t, <-got)
	lockingtest.MustRelease(t, second)
}
