// Package migrations holds the database schema and brings a database up to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

//go:embed roles/service.sql
var serviceRole string

// While a migration waits for a table's lock, all that come later queue behind it, orders
// included. So it waits for lockPatience, lets them through, and tries again after lockRest.
// lockPatience is longer than Postgres' deadlock_timeout, after which a waiter ends an autovacuum
// that has the lock: if both were over at the same moment, the wait would end first.
const (
	lockPatience = 1500 * time.Millisecond
	lockRest     = 2 * time.Second
	lockTries    = 40 // two minutes
)

// ErrInUse is the error of a table that was in use at every try, as during a dump.
var ErrInUse = errors.New("a table was in use all the time, as during a dump, a check of the books or a VACUUM: try again when that is over")

// Up applies every migration that the database at url lacks, then grants the service's role its
// rights, and returns how many migrations it applied. Processes that start together take turns
// by an advisory lock, so each migration runs once. After ErrInUse, the migrations before are
// applied.
func Up(ctx context.Context, url string) (int, error) {
	config, err := pgxpool.ParseConfig(url) // pgxpool's parser, since the server knows no pool settings
	if err != nil {
		return 0, fmt.Errorf("read the database's URL: %w", err)
	}
	if params := config.ConnConfig.RuntimeParams; params["lock_timeout"] == "" {
		params["lock_timeout"] = fmt.Sprint(lockPatience.Milliseconds())
	}
	db := stdlib.OpenDB(*config.ConnConfig)
	defer db.Close()

	applied := 0
	for try := 1; ; try++ {
		n, err := up(ctx, db)
		applied += n
		if !inUse(err) {
			return applied, err
		}
		if try == lockTries {
			return applied, errors.Join(ErrInUse, err)
		}
		select {
		case <-time.After(lockRest):
		case <-ctx.Done():
			return applied, context.Cause(ctx)
		}
	}
}

func up(ctx context.Context, db *sql.DB) (int, error) {
	// Tried every second, for five minutes: longer than these migrations take.
	turns, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 300))
	if err != nil {
		return 0, fmt.Errorf("prepare the migration lock: %w", err)
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(turns))
	if err != nil {
		return 0, fmt.Errorf("read the migrations: %w", err)
	}
	applied, err := provider.Up(ctx)
	if err != nil {
		if partly, ok := errors.AsType[*goose.PartialError](err); ok {
			applied = partly.Applied
		}
		return len(applied), fmt.Errorf("migrate: %w", err)
	}
	if _, err := db.ExecContext(ctx, serviceRole); err != nil {
		return len(applied), fmt.Errorf("grant the service its rights: %w", err)
	}
	return len(applied), nil
}

// inUse reports whether the wait for a table's lock timed out, or was given up as it and the
// service's transactions waited for each other.
func inUse(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "55P03" || pg.Code == "40P01") // lock_not_available, deadlock_detected
}
