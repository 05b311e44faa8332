package order

import (
	"context"
	_ "embed" // for the statements
	"errors"
	"fmt"
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
	orders []Request // their lines as merge leaves them
	token  func(sku string) int64
	// held is asked right before COMMIT whether the lease still holds.
	held func() error
	// foreseen is what the group will find and do if nobody else has changed the
	// rows since they were looked at, or nil if that is not known.
	foreseen *settled
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
	if d.foreseen != nil {
		placed, err = l.tryForeseen(ctx, d)
		if !errors.Is(err, errUnforeseen) && !l.rolledBack(err) && !errors.Is(err, ErrInFlight) {
			return placed, d.foreseen.refused, err
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

// givesWay has the errors by which Postgres gives way to other transactions:
// serialization failure, deadlock.
var givesWay = []string{"40001", "40P01"}

// rolledBack tells such an error, and counts it.
func (l *Ledger) rolledBack(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || !slices.Contains(givesWay, pg.Code) {
		return false
	}
	if l.metrics != nil {
		l.metrics.retries.WithLabelValues(pg.Code).Inc()
	}
	return true
}

// errUnforeseen says that the rows were not as they were thought to be, and that
// nothing was written.
var errUnforeseen = errors.New("the stock has changed meanwhile")

// tryForeseen writes and commits the group as it was foreseen, in one round
// trip. The rows are not locked and read first: the statement compares their
// levels and versions with those that the group has started from, also when it
// has had to wait for another transaction, and fails if they differ. Only SKUs
// guarded by their level may be written so: it asks nothing of their fences.
func (l *Ledger) tryForeseen(ctx context.Context, d groupDraft) ([]Order, error) {
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return nil, stock.Unavailable("begin the group", err)
	}
	defer conn.Release()
	defer rollBack(ctx, conn)
	orders, err := newOrders(d.orders, d.foreseen.lines, d.foreseen.refused)
	if err != nil {
		return nil, err
	}
	for sku, s := range d.foreseen.shelves {
		s.token = d.token(sku)
	}
	if err := d.held(); err != nil {
		return nil, errors.Join(ErrLeaseLost, err)
	}
	batch := &pgx.Batch{}
	batch.Queue("BEGIN")
	return orders, l.writeGroup(ctx, conn, batch, groupWriting{d.orders, d.foreseen.shelves, orders})
}

func (l *Ledger) tryGroup(ctx context.Context, d groupDraft) ([]Order, []error, error) {
	conn, err := l.db.Acquire(ctx)
	if err != nil {
		return nil, nil, stock.Unavailable("begin the group", err)
	}
	defer conn.Release()
	defer rollBack(ctx, conn)

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

// A groupWriting is what is written of a group.
type groupWriting struct {
	requests []Request
	shelves  map[string]*shelf // after the group
	orders   []Order           // of the requests; without an id, nothing is
}

// writeGroup adds the writing and the COMMIT to the batch and sends it: one round
// trip. From here on the orders' fate is Postgres', and the caller's context no
// longer counts. The orders learn when they were placed.
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
	var pg *pgconn.PgError
	switch {
	case err == nil:
	case errors.As(err, &pg) && pg.Code == divisionByZero:
		return errors.Join(errUnforeseen, err)
	case w.keyed() && errors.Is(keyTaken(err), ErrInFlight):
		return keyTaken(err)
	case answered(err), conn.Conn().PgConn().TxStatus() != 'I' && !conn.Conn().IsClosed():
		return stock.Unavailable("commit the group", err)
	default:
		if at, err = l.resolve(context.WithoutCancel(ctx), firstPlaced(w.orders), err); err != nil {
			return err
		}
	}
	w.placed(at)
	return nil
}

// keyed tells whether a request of the group has a key.
func (w *groupWriting) keyed() bool {
	return slices.ContainsFunc(w.requests, func(r Request) bool { return r.Key != "" })
}

// placed lets the orders know when they were placed, and so when they expire.
func (w *groupWriting) placed(at time.Time) {
	for i := range w.orders {
		w.orders[i].CreatedAt = at
		if w.orders[i].Status == StatusHeld {
			w.orders[i].HoldExpiresAt = at.Add(time.Duration(w.requests[i].HoldSeconds) * time.Second)
		}
	}
}

// divisionByZero is how group_write.sql fails.
const divisionByZero = "22012"

// rollBack ends a transaction that has not been committed. Without one it does
// nothing.
func rollBack(ctx context.Context, conn *pgxpool.Conn) {
	if conn.Conn().IsClosed() || conn.Conn().PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CommitLimit)
	defer cancel()
	_, _ = conn.Exec(ctx, "ROLLBACK") // a connection that cannot even do that is closed with its release
}

// args returns the arrays of group_write.sql up to the replica.
func (w *groupWriting) args() []any {
	var ids, lineOrders []pgtype.UUID
	var clients, keys []*string
	var hashes [][]byte
	var holds []*int64
	var skus, lineSKUs []string
	var units, lines, tokens, levels, reached, quantities, remaining, versions []int64
	for _, sku := range slices.Sorted(maps.Keys(w.shelves)) { // so that rows are taken in an order that replicas share
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

// put sets the nth value of an array, if there is one. Arrays end with the last
// value that is there: a group without keys or holds has none to send, and what
// is missing is NULL to the statement.
func put[T any](array []T, n int, value T, there bool) []T {
	if !there {
		return array
	}
	array = append(array, make([]T, n-len(array))...)
	return append(array, value)
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
