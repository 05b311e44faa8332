package order

import (
	"context"
	_ "embed" // for the statement
	"errors"
	"time"

	"github.com/google/uuid"

	"orderd/internal/stock"
)

//go:embed resolve_session.sql
var endSession string

// endPatience is how long to wait for a session to end: a COMMIT that it is in has to
// finish first.
const endPatience = time.Second

// An uncertainCommit is an order of which it is not known whether it was committed, because
// the connection broke.
type uncertainCommit struct {
	id    uuid.UUID
	cause error
	// session is the process id of the backend that may still write the order: the order was sent whole,
	// with its COMMIT, and may not have arrived yet. 0: the order is written, and only the COMMIT was in
	// flight.
	session uint32
}

// resolve finds out, on another connection, whether the order was committed although the
// connection broke during COMMIT. It returns when it was placed if it was,
// stock.ErrUnavailable if it was not and never will be, and ErrUnknown.
//
// A SELECT would not do: the transaction may still be running, and its row invisible.
// Inserting the same id waits for that transaction's end: the insert finds a conflict if it
// committed, and none if it is gone. It would not wait for a session that has written
// nothing yet. That is ended first, because what was sent to it may arrive much later.
//
// An order that is found may be on this server alone: if a COMMIT's wait for a standby is
// broken off, its changes are visible all the same. So resolve waits until the order is
// durable.
func (l *Ledger) resolve(ctx context.Context, d uncertainCommit) (at time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, CommitLimit)
	defer cancel()
	tx, err := l.db.Begin(ctx)
	if err != nil {
		return at, errors.Join(ErrUnknown, d.cause, err)
	}
	// Always rolled back: the insert only serves as a query.
	defer func() { _ = tx.Rollback(ctx) }()
	gone := true
	if d.session != 0 {
		if err := tx.QueryRow(ctx, endSession, int64(d.session), endPatience.Milliseconds()).Scan(&gone); err != nil {
			return at, errors.Join(ErrUnknown, d.cause, err)
		}
	}
	tag, err := tx.Exec(ctx, `
		INSERT INTO orders (id, status) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING`, d.id, StatusConfirmed)
	if err == nil && tag.RowsAffected() > 0 && gone {
		return at, stock.Unavailable("commit the order", d.cause)
	}
	if err == nil && tag.RowsAffected() > 0 {
		err = errors.New("its session does not end")
	}
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT created_at FROM orders WHERE id = $1`, d.id).Scan(&at)
	}
	if err == nil {
		err = errors.Join(tx.Rollback(ctx), stock.WaitDurable(ctx, l.db))
	}
	if err != nil {
		return at, errors.Join(ErrUnknown, d.cause, err)
	}
	return at, nil
}
