package order

import (
	"context"
	_ "embed" // for the statement
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

//go:embed group_lock.sql
var groupLock string

// groupTries bounds how often a group is tried that Postgres rolled back for the
// sake of other transactions.
const groupTries = 3

// A groupDraft is a group of orders that is about to be committed.
type groupDraft struct {
	orders []Request // their lines as merge leaves them
	token  func(sku string) int64
	// held is asked right before COMMIT whether the lease still holds.
	held func() error
	// expected is what the group will find and do if nobody else has changed the
	// rows since they were looked at, or nil if that is not known.
	expected *settled
}

// A settled group is one whose orders have their units, or are known to be
// refused.
type settled struct {
	shelves map[string]*shelf // after the group
	lines   [][]PlacedLine    // of each order
	refused []error           // of each order
}

// CommitGroup writes the orders that their SKUs' guards let go, in one
// transaction, as if they had been placed one after the other. For each order
// it returns what was placed, or why it was refused: stock.ErrShort,
// stock.ErrUnknownSKU, ErrLeaseLost or ErrInFlight. Its own errors are of the
// whole group: ErrLeaseLost and stock.ErrUnavailable, after which nothing was
// written, and ErrUnknown.
func (l *Ledger) CommitGroup(ctx context.Context, d groupDraft) (placed []Order, refused []error, err error) {
	placed, refused, err = l.commitGroup(ctx, d)
	if errors.Is(err, ErrInFlight) {
		return l.commitOthers(ctx, d)
	}
	return placed, refused, err
}

// commitGroup is CommitGroup but for the keys: that one of them has an order, or
// may get one from another transaction, is an error of the whole group,
// ErrInFlight.
func (l *Ledger) commitGroup(ctx context.Context, d groupDraft) (placed []Order, refused []error, err error) {
	if d.expected != nil {
		placed, err = l.tryOptimistic(ctx, d)
		if !errors.Is(err, errStockChanged) && !l.rolledBack(err) && !errors.Is(err, ErrInFlight) {
			return placed, d.expected.refused, err
		}
	}
	for range groupTries {
		placed, refused, err = l.tryGroup(ctx, d)
		if !l.rolledBack(err) {
			break
		}
	}
	return placed, refused, err
}

// rolledBackCodes has the errors by which Postgres gives way to other transactions:
// serialization failure, deadlock.
var rolledBackCodes = []string{"40001", "40P01"}

// rolledBack tells such an error, and counts it.
func (l *Ledger) rolledBack(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !slices.Contains(rolledBackCodes, pg.Code) {
		return false
	}
	if l.metrics != nil {
		l.metrics.retries.WithLabelValues(pg.Code).Inc()
	}
	return true
}

// errStockChanged says that the rows were not as they were thought to be, and that
// nothing was written.
var errStockChanged = errors.New("the stock has changed meanwhile")

// optimisticLockTimeout is how long a foreseen group waits for a row. Its statement takes
// rows as it comes by them, so that it may meet a cancel or a sweep, which take
// them in their order, in a circle: then it has to give way before Postgres looks
// for circles, after a second, and takes them in their order, too. To lock them so
// before each statement would cost a fifteenth of the orders on a thousand SKUs.
const optimisticLockTimeout = "50ms"

// tryOptimistic writes and commits the group as it was foreseen, in one round
// trip. The rows are not read first: the statement compares their levels and
// versions with those that the group has started from, also when it has had to
// wait for another transaction, and fails if they differ. Only SKUs guarded by
// their level may be written so: it asks nothing of their fences.
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
	several := len(w.shelves) > 1 // one row makes no circle
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

// newOrders gives the orders that were not refused their ids. These are made
// outside Postgres: they are how the outcome of a broken COMMIT is found.
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

// lockRows begins the transaction and reads the rows it is about, in one round
// trip.
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
