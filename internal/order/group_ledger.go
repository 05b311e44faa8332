package order

import (
	"context"
	_ "embed" // for the statements
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

var (
	//go:embed group_lock.sql
	groupLock string
	//go:embed group_write.sql
	groupWrite string
)

// groupTries bounds how often a group is tried that Postgres rolled back for the
// sake of other transactions.
const groupTries = 3

// A groupDraft is a group of orders that is about to be committed.
type groupDraft struct {
	orders [][]Line // each as merge leaves it
	token  func(sku string) int64
	// held is asked right before COMMIT whether the lease still holds.
	held func() error
}

// CommitGroup writes the orders that their SKUs' guards let go, in one
// transaction, as if they had been placed one after the other. For each order
// it returns what was placed, or why it was refused: stock.ErrShort,
// stock.ErrUnknownSKU or ErrLeaseLost. Its own errors are of the whole group:
// ErrLeaseLost and stock.ErrUnavailable, after which nothing was written, and
// ErrUnknown.
func (l *Ledger) CommitGroup(ctx context.Context, d groupDraft) (placed []Order, refused []error, err error) {
	for range groupTries {
		placed, refused, err = l.tryGroup(ctx, d)
		if !rolledBack(err) {
			break
		}
	}
	return placed, refused, err
}

// rolledBack tells an error by which Postgres gave way to other transactions:
// serialization failure, deadlock.
func rolledBack(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

func (l *Ledger) tryGroup(ctx context.Context, d groupDraft) ([]Order, []error, error) {
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return nil, nil, stock.Unavailable("begin the group", err)
	}
	defer conn.Release()
	defer rollBack(ctx, conn)

	shelves, at, err := l.lockRows(ctx, conn, d)
	if err != nil {
		return nil, nil, err
	}
	lines, refused := settle(shelves, d.orders, guarded)
	orders := make([]Order, len(d.orders))
	first := uuid.Nil
	for i := range orders {
		if refused[i] != nil {
			continue
		}
		// Made outside Postgres: it is how the outcome of a broken COMMIT is found.
		id, err := uuid.NewV7()
		if err != nil {
			return nil, nil, fmt.Errorf("make an order id: %w", err)
		}
		orders[i] = Order{ID: id, Status: StatusConfirmed, Lines: lines[i], CreatedAt: at}
		if first == uuid.Nil {
			first = id
		}
	}
	if first == uuid.Nil { // nothing to write
		return orders, refused, nil
	}
	if err := d.held(); err != nil {
		return nil, nil, errors.Join(ErrLeaseLost, err)
	}
	return orders, refused, l.writeGroup(ctx, conn, shelves, orders, first)
}

// lockRows begins the transaction and reads the rows it is about, in one round
// trip.
func (l *Ledger) lockRows(ctx context.Context, conn *pgxpool.Conn, d groupDraft) (map[string]*shelf, time.Time, error) {
	var at time.Time
	shelves := map[string]*shelf{}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(groupLock, union(d.orders)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			s := &shelf{}
			if err := rows.Scan(&s.SKU, &s.OnHand, &s.Version, &s.Guard, &s.fence, &at); err != nil {
				return err
			}
			s.token = d.token(s.SKU)
			shelves[s.SKU] = s
		}
		return rows.Err()
	})
	err := conn.SendBatch(ctx, batch).Close()
	return shelves, at, stock.Unavailable("lock the group's stock", err)
}

// writeGroup writes and commits in one round trip. From here on the orders' fate
// is Postgres', and the caller's context no longer counts.
func (l *Ledger) writeGroup(
	ctx context.Context, conn *pgxpool.Conn, shelves map[string]*shelf, orders []Order, first uuid.UUID,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	batch := &pgx.Batch{}
	batch.Queue(groupWrite, append(groupArgs(shelves, orders), l.replica)...)
	batch.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	err := conn.SendBatch(ctx, batch).Close()
	if err == nil || answered(err) || conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed() {
		return stock.Unavailable("commit the group", err)
	}
	return l.resolve(context.WithoutCancel(ctx), first, err)
}

// rollBack ends a transaction that has not been committed. Without one it does
// nothing.
func rollBack(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitLimit)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK") // a connection that cannot even do that is closed with its release
}

// groupArgs returns the arrays of group_write.sql up to the replica.
func groupArgs(shelves map[string]*shelf, orders []Order) []any {
	var ids, lineOrders []pgtype.UUID
	var skus, lineSKUs []string
	var units, lines, tokens, levels, quantities, remaining, versions []int64
	for _, s := range shelves {
		if s.lines == 0 {
			continue
		}
		skus, units, lines = append(skus, s.SKU), append(units, s.units), append(lines, s.lines)
		tokens, levels = append(tokens, s.token), append(levels, s.OnHand)
	}
	for _, o := range orders {
		if o.ID == uuid.Nil {
			continue
		}
		id := pgtype.UUID{Bytes: o.ID, Valid: true}
		ids = append(ids, id)
		for _, line := range o.Lines {
			lineOrders, lineSKUs = append(lineOrders, id), append(lineSKUs, line.SKU)
			quantities, remaining = append(quantities, line.Quantity), append(remaining, line.Remaining)
			versions = append(versions, line.StockVersion)
		}
	}
	return []any{ids, skus, units, lines, tokens, levels, lineOrders, lineSKUs, quantities, remaining, versions}
}

// union returns the SKUs of all orders, each once, sorted.
func union(orders [][]Line) []string {
	var names []string
	for _, lines := range orders {
		names = append(names, skus(lines)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
