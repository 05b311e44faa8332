package order

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderd/internal/stock"
)

// answered tells whether the failed COMMIT's outcome is known: Postgres said
// that it rolled back. A FATAL error says only that the connection ended, which
// may be right after the commit. Nor is the driver asked whether anything was
// sent: when the connection ends while it waits for the answer, pgx 5.12 calls
// that "conn closed" and safe to retry (NextResult drops the error of its peek).
func answered(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.SeverityUnlocalized == "ERROR"
	}
	return errors.Is(err, pgx.ErrTxCommitRollback)
}

// resolve finds out, on a new connection, whether the order was committed
// although the connection broke during COMMIT. It returns when it was placed if
// it was, stock.ErrUnavailable if it was not and never will be, and ErrUnknown.
//
// A SELECT would not do: the transaction may still be running, and its row
// invisible. Inserting the same id waits for that transaction's end: the
// insert finds a conflict if it committed, and none if it is gone.
func (l *Ledger) resolve(ctx context.Context, id uuid.UUID, cause error) (at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, CommitLimit)
	defer cancel()
	tx, err := l.db.Begin(ctx)
	if err != nil {
		return at, errors.Join(ErrUnknown, cause, err)
	}
	// Always rolled back: the insert is a question.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	tag, err := tx.Exec(ctx, `
		INSERT INTO orders (id, status) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, id, StatusConfirmed)
	if err == nil && tag.RowsAffected() > 0 {
		return at, stock.Unavailable("commit the order", cause)
	}
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT created_at FROM orders WHERE id = $1`, id).Scan(&at)
	}
	if err != nil {
		return at, errors.Join(ErrUnknown, cause, err)
	}
	return at, nil
}
