package order

import (
	"context"
	_ "embed" // for the statement
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

//go:embed group_lock.sql
var groupLock string

// txTries is how often a transaction is attempted if Postgres rolls it back for a
// deadlock or serialization failure.
const txTries = 3

// A groupDraft is a group of orders that is about to be committed.
type groupDraft struct {
	orders []Request // their lines as merge leaves them
	token  func(sku string) int64
	// held checks the lease right before COMMIT.
	held func() error
	// expected is the outcome if the rows have not changed since they were read, or nil if it is not known.
	expected *settled
}

// A settled group is one whose orders have been given their units or refused.
type settled struct {
	shelves map[string]*shelf // after the group
	lines   [][]PlacedLine    // of each order
	refused []error           // of each order
}

// CommitGroup writes the orders that the guards of their SKUs admit, in one transaction, as
// if they had been placed one after the other. For each order it returns what was placed,
// or why it was refused: stock.ErrShort, stock.ErrUnknownSKU, ErrLeaseLost or ErrInFlight.
// Its own errors are those of the whole group: ErrLeaseLost and stock.ErrUnavailable, after
// which nothing was written, and ErrUnknown.
func (l *Ledger) CommitGroup(ctx context.Context, d groupDraft) (placed []Order, refused []error, err error) {
	placed, refused, err = l.commitGroup(ctx, d)
	if errors.Is(err, ErrInFlight) {
		return l.commitOthers(ctx, d)
	}
	return placed, refused, err
}

// commitGroup is CommitGroup except for keys: one that has an order, or may get one from
// another transaction, fails the whole group with ErrInFlight.
func (l *Ledger) commitGroup(ctx context.Context, d groupDraft) (placed []Order, refused []error, err error) {
	if d.expected != nil {
		placed, err = l.tryOptimistic(ctx, d)
		switch {
		case errors.Is(err, errStockChanged), errors.Is(err, ErrInFlight):
		case rolledBack(err) != "":
			l.countRetry(rolledBack(err))
		default:
			return placed, d.expected.refused, err
		}
	}
	err = l.retry(func() (err error) {
		placed, refused, err = l.tryGroup(ctx, d)
		return err
	})
	return placed, refused, err
}

// retry runs a transaction, and again if Postgres rolled it back because of others, up to
// txTries times in all.
func (l *Ledger) retry(try func() error) error {
	for tries := 1; ; tries++ {
		err := try()
		code := rolledBack(err)
		if code == "" || tries == txTries {
			return err
		}
		l.countRetry(code)
	}
}

func (l *Ledger) countRetry(code string) {
	if l.metrics != nil {
		l.metrics.retries.WithLabelValues(code).Inc()
	}
}

// rolledBackCodes are the SQLSTATEs of transactions that Postgres rolled back because of
// others: serialization failure, deadlock.
var rolledBackCodes = []string{"40001", "40P01"}

// rolledBack returns which of these codes err has, or "".
func rolledBack(err error) string {
	if code := sqlState(err); slices.Contains(rolledBackCodes, code) {
		return code
	}
	return ""
}

// errStockChanged means that the rows were not as expected, or could not be locked in time,
// and that nothing was written.
var errStockChanged = errors.New("the stock has changed meanwhile")

// optimisticLockTimeout is how long an optimistic group waits for a row. Its statement
// locks rows in whatever order Postgres finds them, so it can deadlock with a cancel or a
// sweep, which lock in SKU order. It gives up before Postgres looks for deadlocks (after a
// second), and is retried with its rows locked in SKU order. Locking them first in every
// group would cost a fifteenth of the orders on a thousand SKUs.
const optimisticLockTimeout = "50ms"

// tryOptimistic writes and commits the group with its expected outcome, in one round trip.
// The rows are not read first: the statement compares their levels and versions with those
// that the group started from, also after waiting for another transaction, and fails if
// they differ. Only SKUs with the guard predicate may be written this way: fences are not
// checked.
func (l *Ledger) tryOptimistic(ctx context.Context, d groupDraft) ([]Order, error) {
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return nil, stock.Unavailable("begin the group", err)
	}
	defer conn.Release()
	defer rollBack(ctx, conn.Conn())
	orders, err := newOrders(d.orders, d.expected.lines, d.expected.refused)
	if err != nil {
		return nil, err
	}
	for sku, s := range d.expected.shelves {
		s.token = d.token(sku)
	}
	if err := d.held(); err != nil {
		return nil, errors.Join(ErrLeaseLost, err)
	}
	w := groupWriting{d.orders, d.expected.shelves, orders}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	several := len(w.shelves) > 1 // a single row cannot deadlock
	if several {
		batch.Queue("SET LOCAL lock_timeout = '" + optimisticLockTimeout + "'")
	}
	err = l.writeGroup(ctx, conn, batch, w)
	if several && lockTimedOut(err) {
		err = errors.Join(errStockChanged, err)
	}
	return orders, err
}

func (l *Ledger) tryGroup(ctx context.Context, d groupDraft) ([]Order, []error, error) {
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return nil, nil, stock.Unavailable("begin the group", err)
	}
	defer conn.Release()
	defer rollBack(ctx, conn.Conn())

	shelves, err := l.lockRows(ctx, conn, d)
	if err != nil {
		return nil, nil, err
	}
	lines, refused := settle(shelves, d.orders, guarded)
	orders, err := newOrders(d.orders, lines, refused)
	if err != nil || firstPlaced(orders) == uuid.Nil { // nothing to write
		return orders, refused, err
	}
	if err := d.held(); err != nil {
		return nil, nil, errors.Join(ErrLeaseLost, err)
	}
	return orders, refused, l.writeGroup(ctx, conn, &pgx.Batch{}, groupWriting{d.orders, shelves, orders})
}

// newOrders makes the orders of the requests that were not refused, with new ids. Ids are
// made outside Postgres because they serve to find the outcome of a COMMIT whose connection
// broke.
func newOrders(requests []Request, lines [][]PlacedLine, refused []error) ([]Order, error) {
	orders := make([]Order, len(lines))
	for i := range orders {
		if refused[i] != nil {
			continue
		}
		id, err := uuid.NewV7()
		if err != nil {
			return nil, fmt.Errorf("make an order id: %w", err)
		}
		orders[i] = Order{ID: id, Status: requests[i].status(), Lines: lines[i]}
	}
	return orders, nil
}

// firstPlaced returns the id of the first order that was not refused, if any.
func firstPlaced(orders []Order) uuid.UUID {
	for _, o := range orders {
		if o.ID != uuid.Nil {
			return o.ID
		}
	}
	return uuid.Nil
}

// lockRows begins the transaction, and locks and reads the group's rows, in one round trip.
func (l *Ledger) lockRows(ctx context.Context, conn *pgxpool.Conn, d groupDraft) (map[string]*shelf, error) {
	shelves := map[string]*shelf{}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	batch.Queue(groupLock, union(d.orders)).Query(func(rows pgx.Rows) error {
		for rows.Next() {
			s := &shelf{}
			if err := rows.Scan(&s.SKU, &s.OnHand, &s.Version, &s.Guard, &s.fence); err != nil {
				return err
			}
			s.token = d.token(s.SKU)
			shelves[s.SKU] = s
		}
		return rows.Err()
	})
	err := conn.SendBatch(ctx, batch).Close()
	return shelves, stock.Unavailable("lock the group's stock", err)
}

// union returns the SKUs of all orders, each once, sorted.
func union(orders []Request) []string {
	var names []string
	for i := range orders {
		names = append(names, skus(orders[i].Lines)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}
