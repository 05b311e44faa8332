package order

import (
	"context"
	_ "embed" // for the statement
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

//go:embed group_write.sql
var groupWrite string

// A groupWriting is what is written for a group.
type groupWriting struct {
	requests []Request
	shelves  map[string]*shelf // after the group
	orders   []Order           // one per request; without an id it is not written
}

// writeGroup adds group_write.sql and COMMIT to the batch and sends it: one round trip.
// From here on Postgres decides the outcome, and the end of ctx no longer stops it. The
// orders get the times at which they were placed and expire.
func (l *Ledger) writeGroup(
	ctx context.Context, conn *pgxpool.Conn, batch *pgx.Batch, w groupWriting,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CommitLimit)
	defer cancel()
	var at time.Time
	batch.Queue(groupWrite, append(w.args(), l.replica)...).QueryRow(func(row pgx.Row) error {
		return row.Scan(&at, nil)
	})
	batch.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	err := conn.SendBatch(ctx, batch).Close()
	switch {
	case err == nil:
	case sqlState(err) == divisionByZero:
		return errors.Join(errStockChanged, err)
	case w.keyed() && errors.Is(keyTaken(err), ErrInFlight):
		return keyTaken(err)
	case stock.Answered(err), conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed():
		return stock.Unavailable("commit the group", err)
	default:
		d := uncertainCommit{id: firstPlaced(w.orders), cause: err, session: conn.Conn().PgConn().PID()}
		if conn.Conn().IsClosed() {
			conn.Release() // frees its slot in the pool, which resolve may need
		}
		if at, err = l.resolve(context.WithoutCancel(ctx), d); err != nil {
			return err
		}
	}
	w.placed(at)
	return nil
}

// keyed reports whether a request of the group has a key.
func (w *groupWriting) keyed() bool {
	return slices.ContainsFunc(w.requests, func(r Request) bool { return r.Key != "" })
}

// placed sets when the orders were placed, and hence when holds expire.
func (w *groupWriting) placed(at time.Time) {
	for i := range w.orders {
		w.orders[i].CreatedAt = at
		if w.orders[i].Status == StatusHeld {
			w.orders[i].HoldExpiresAt = at.Add(time.Duration(w.requests[i].HoldSeconds) * time.Second)
		}
	}
}

// divisionByZero is the SQLSTATE with which group_write.sql fails if the stock has changed.
const divisionByZero = "22012"

// rollBack ends a transaction that has not been committed. It does nothing if there is
// none.
func rollBack(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CommitLimit)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK") // if even this fails, the connection is closed when it is released
}

// args returns the parameters of group_write.sql up to the replica.
func (w *groupWriting) args() []any {
	var ids, lineOrders []pgtype.UUID
	var clients, keys []*string
	var hashes [][]byte
	var holds []*int64
	var skus, lineSKUs []string
	var units, lines, tokens, levels, reached, quantities, remaining, versions []int64
	for _, sku := range slices.Sorted(maps.Keys(w.shelves)) { // in lock order, in case Postgres keeps to it
		s := w.shelves[sku]
		if s.lines == 0 {
			continue
		}
		skus, units, lines = append(skus, s.SKU), append(units, s.units), append(lines, s.lines)
		tokens, levels, reached = append(tokens, s.token), append(levels, s.OnHand), append(reached, s.Version)
	}
	for i := range w.orders {
		o, r := &w.orders[i], &w.requests[i]
		if o.ID == uuid.Nil {
			continue
		}
		key, hash, hold := r.written()
		n := len(ids)
		clients, keys = put(clients, n, &r.Client, r.Client != ""), put(keys, n, key, key != nil)
		hashes, holds = put(hashes, n, hash, hash != nil), put(holds, n, hold, hold != nil)
		id := pgtype.UUID{Bytes: o.ID, Valid: true}
		ids = append(ids, id)
		for _, line := range o.Lines {
			lineOrders, lineSKUs = append(lineOrders, id), append(lineSKUs, line.SKU)
			quantities, remaining = append(quantities, line.Quantity), append(remaining, line.Remaining)
			versions = append(versions, line.StockVersion)
		}
	}
	return []any{
		ids, clients, keys, hashes, holds,
		skus, units, lines, tokens, levels, reached,
		lineOrders, lineSKUs, quantities, remaining, versions,
	}
}

// put sets the nth value of an array, if there is one. Arrays end with their last value: a
// group without keys or holds sends none, and the statement takes what is missing for NULL.
func put[T any](array []T, n int, value T, there bool) []T {
	if !there {
		return array
	}
	array = append(array, make([]T, n-len(array))...)
	return append(array, value)
}
