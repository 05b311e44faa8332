package locking_test

import (
	"context"
	"errors"
	"testing"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// sameLength is a hash by which keys of the same length collide.
const sameLength = "length(%s)::bigint"

func openColliding(t testing.TB, url string) *locking.Postgres {
	t.Helper()
	p, err := locking.NewPostgresHashing(
		locking.PostgresConfig{URL: url, TTL: longTTL, Owner: "test"}, sameLength)
	return connected(t, closing(t, p, err))
}

func TestPostgres_keysThatCollideShareATurn(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	one, other := openColliding(t, url), openColliding(t, url)
	lease := lockingtest.MustAcquire(t, one, "aa", "bb", "cc", "d")
	lockingtest.MustBeHeld(t, other, "ee")
	lockingtest.MustRelease(t, lease)
	lease = lockingtest.MustAcquire(t, other, "ee")
	lockingtest.MustBeHeld(t, one, "bb")
	lockingtest.MustRelease(t, lease)
	var locks int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&locks); err != nil || locks > 0 {
		t.Errorf("%d locks are left, %v", locks, err)
	}
}

// Only keys that collide can make carts deadlock: the server notices.
func TestPostgres_aCircleOfWaitersIsBroken(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p := openColliding(t, url)
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	// The cart's session is to notice, and not this one. It checks once in each of its waits,
	// a second after the start.
	if _, err := conn.Exec(t.Context(), "SET deadlock_timeout = '10min'"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longTTL)
	defer cancel()
	lock := func(id int) {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", id); err != nil {
			t.Errorf("pg_advisory_lock(%d) = %v", id, err)
		}
	}
	lock(2)
	answer := make(chan error, 1)
	go func() {
		_, err := p.Acquire(ctx, "a", "bb")
		answer <- err
	}()
	lockingtest.Eventually(t, "the cart waits", func() bool {
		var waiting bool
		err := db.QueryRow(t.Context(), "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&waiting)
		return err == nil && waiting
	})
	lock(1)
	if err := <-answer; !errors.Is(err, locking.ErrBusy) || ctx.Err() != nil {
		t.Errorf("Acquire() = %v, want ErrBusy before its context ends", err)
	}
}
