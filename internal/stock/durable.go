package stock

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// WaitDurable commits an otherwise empty WAL message: when that COMMIT returns, everything
// visible before it is as durable as a COMMIT has to be, on disk and on synchronous standbys.
// A COMMIT that was broken off while it waited for a standby is visible, and on the primary
// alone. Its error is the driver's.
func WaitDurable(ctx context.Context, db *pgxpool.Pool) error {
	_, err := db.Exec(ctx, `SELECT pg_logical_emit_message(true, 'orderd', '')`)
	return err
}
