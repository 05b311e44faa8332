package order

import (
	"context"
	_ "embed" // for the statements
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderd/internal/stock"
)

var (
	//go:embed end_lock.sql
	endLock string
	//go:embed end_write.sql
	endWrite string
	//go:embed sweep.sql
	sweep string
)

// Reasons of the movements that return units.
const (
	reasonCancel  = "cancel"
	reasonExpired = "hold_expired"
)

// Cancel cancels a client's order and returns its units, once, however often it is called;
// an expired hold is swept instead. It returns the order as it is then, cancelled or
// expired, and the levels that it changed. Its errors are ErrNotFound and
// stock.ErrUnavailable: after the latter the order may have been cancelled, and the call
// may be repeated.
//
// It locks the order's row and then those of the SKUs, in the order that sales use: a sale
// waits for no order's row but its own, so that the two cannot deadlock.
func (l *Ledger) Cancel(ctx context.Context, client string, id uuid.UUID) (o Order, levels []stock.Level, err error) {
	err = l.inTx(ctx, func(tx pgx.Tx) error {
		levels = nil // drop those of an attempt that was rolled back
		var status string
		var expired bool
		err := tx.QueryRow(ctx, `
			SELECT status, coalesce(hold_expires_at <= clock_timestamp(), false) FROM orders
			WHERE id = $1 AND client = $2 FOR UPDATE`, id, client).Scan(&status, &expired)
		switch {
		case err != nil:
			return err
		case status == StatusHeld && expired:
			levels, err = l.end(ctx, tx, []uuid.UUID{id}, StatusExpired, reasonExpired)
		case status == StatusHeld || status == StatusConfirmed:
			levels, err = l.end(ctx, tx, []uuid.UUID{id}, StatusCancelled, reasonCancel)
		}
		if err != nil {
			return err
		}
		o, err = find(ctx, tx, ` WHERE o.id = $1`, id)
		return err
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Order{}, nil, ErrNotFound
	case err != nil:
		return Order{}, nil, stock.Unavailable("cancel the order", err)
	}
	return o, levels, nil
}

// Confirm makes a client's held order permanent, and reports whether this call did so. Its
// errors are ErrNotFound, ErrHoldExpired, ErrNotHeld and stock.ErrUnavailable: after the
// last the order may have been confirmed, and the call may be repeated.
func (l *Ledger) Confirm(ctx context.Context, client string, id uuid.UUID) (o Order, kept bool, err error) {
	tag, err := l.db.Exec(ctx, `
		UPDATE orders SET status = 'confirmed', updated_at = now()
		WHERE id = $1 AND client = $2 AND status = 'held' AND hold_expires_at > clock_timestamp()`, id, client)
	if err != nil {
		return Order{}, false, stock.Unavailable("confirm the order", err)
	}
	kept = tag.RowsAffected() == 1
	if o, err = l.Get(ctx, client, id); err != nil {
		return Order{}, kept, err
	}
	switch o.Status {
	case StatusConfirmed:
		if !kept { // this call wrote nothing: the COMMIT that did may be on this server alone
			if err := stock.WaitDurable(ctx, l.db); err != nil {
				return Order{}, false, stock.Unavailable("confirm the order", err)
			}
		}
		return o, kept, nil
	case StatusCancelled:
		return Order{}, kept, ErrNotHeld
	default:
		return Order{}, kept, ErrHoldExpired
	}
}

// anyDue reports whether a hold has expired: mostly none has, which needs no transaction to find
// out. An EXISTS might read the whole table, for Postgres does not know that of the orders with
// a time in the past hardly any is held; the least time is always looked up in the index.
func (l *Ledger) anyDue(ctx context.Context) (due bool, err error) {
	err = l.db.QueryRow(ctx, `
		SELECT coalesce(min(hold_expires_at) <= now(), false) FROM orders WHERE status = 'held'`).Scan(&due)
	return due, stock.Unavailable("look for holds to sweep", err)
}

// Sweep ends up to limit expired holds, except some, and returns their units: ids are those of
// the holds, levels those that it changed. Any number of replicas may sweep: no two get the same
// hold. After stock.ErrUnavailable it may be tried again; after any other error something is wrong
// with the rows of one of the ids.
func (l *Ledger) Sweep(ctx context.Context, limit int, except []uuid.UUID) (ids []uuid.UUID, levels []stock.Level, err error) {
	err = l.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, sweep, limit, append([]uuid.UUID{}, except...)) // nil would be NULL
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if levels = nil; err != nil || len(ids) == 0 {
			return err
		}
		levels, err = l.end(ctx, tx, ids, StatusExpired, reasonExpired)
		return err
	})
	return ids, levels, stock.Unavailable("sweep the holds", err)
}

// inTx runs change in a transaction, which is retried as retry says. orderd's own transactions
// that lock out of order time out before a deadlock is detected; a foreign client's may make
// this one the victim.
func (l *Ledger) inTx(ctx context.Context, change func(pgx.Tx) error) error {
	return l.retry(func() error { return pgx.BeginFunc(ctx, l.db, change) })
}

// end returns the units of orders that still have them and whose rows are locked, in one
// round trip.
func (l *Ledger) end(ctx context.Context, tx pgx.Tx, ids []uuid.UUID, status, reason string) (levels []stock.Level, err error) {
	batch := &pgx.Batch{}
	batch.Queue(endLock, ids)
	batch.Queue(endWrite, ids, status, reason, l.replica).Query(func(rows pgx.Rows) error {
		levels, err = pgx.CollectRows(rows, pgx.RowToStructByPos[stock.Level])
		return err
	})
	return levels, tx.SendBatch(ctx, batch).Close()
}
