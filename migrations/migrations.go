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

// A migration that waits for a table lets all wait that come after it: orders, too.
// So it waits for lockPatience, lets them through, and tries again after lockRest.
const (
	lockPatience = time.Second
	lockRest     = 2 * time.Second
	lockTries    = 40 // two minutes
)

// ErrInUse is the error of a table that somebody has read or written without a
// pause, such as a dump.
var ErrInUse = errors.New("a table was in use all the time, as during a dump or a check of the books: try again when that is over")

// Up applies every migration that the database at url does not have yet, then
// what the service's role may do, and returns how many migrations it applied.
// Processes that start together take turns by an advisory lock, so each migration
// runs once. Its error may be ErrInUse; the migrations before are applied then.
func Up(ctx context.Context, url string) (int, error) {
	config, err := pgxpool.ParseConfig(url) // whose settings of a pool are not the server's
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
	// Asked for every second, for five minutes: longer than a migration of these takes.
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
		var partly *goose.PartialError
		if errors.As(err, &partly) {
			applied = partly.Applied
		}
		return len(applied), fmt.Errorf("migrate: %w", err)
	}
	if _, err := db.ExecContext(ctx, serviceRole); err != nil {
		return len(applied), fmt.Errorf("grant the service its rights: %w", err)
	}
	return len(applied), nil
}

// inUse tells that a table was waited for in vain.
func inUse(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.Code == "55P03" // lock_not_available
}
