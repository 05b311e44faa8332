// Package migrations holds the database schema and brings a database up to it.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"

	_ "github.com/jackc/pgx/v5/stdlib" // goose speaks database/sql
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed *.sql
var files embed.FS

//go:embed roles/service.sql
var serviceRole string

// Up applies every migration that the database at url does not have yet, then
// what the service's role may do, and returns how many migrations it applied. Processes that start together take turns by an
// advisory lock, so each migration runs once.
func Up(ctx context.Context, url string) (int, error) {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return 0, fmt.Errorf("open the database: %w", err)
	}
	defer db.Close()

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
		return len(applied), fmt.Errorf("migrate: %w", err)
	}
	if _, err := db.ExecContext(ctx, serviceRole); err != nil {
		return len(applied), fmt.Errorf("grant the service its rights: %w", err)
	}
	return len(applied), nil
}
