package order

import (
	"context"
	_ "embed" // for the statements
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

var (
	//go:embed place_order.sql
	placeOrder string
	//go:embed place_line.sql
	placeLine string
)

// CommitLimit bounds COMMIT, which runs to its end even if the caller stops waiting, and
// separately the search for its outcome. It is above Postgres' own limits on statements, so
// that it is Postgres that reports how one ended.
const CommitLimit = 4 * time.Second

// A Ledger writes orders to Postgres and reads them back.
type Ledger struct {
	db      *pgxpool.Pool
	replica string
	metrics *Metrics // nil: nothing is counted
}

// NewLedger returns the ledger in db. Movements carry the replica's name.
func NewLedger(db *pgxpool.Pool, replica string) *Ledger {
	return &Ledger{db: db, replica: replica}
}

// CountIn makes the ledger count its retries in m, and returns the ledger.
func (l *Ledger) CountIn(m *Metrics) *Ledger {
	l.metrics = m
	return l
}

// A draft is an order that is about to be committed.
type draft struct {
	Request // lines as merge leaves them
	token   func(sku string) int64
	// held checks the lease right before COMMIT.
	held func() error
}

// Commit writes the order, its movements and the new levels in one
// transaction, all or nothing. Its errors are stock.ErrShort,
// stock.ErrUnknownSKU, ErrLeaseLost, stock.ErrUnavailable and ErrInFlight
// (another transaction has written the key, or is about to), after which nothing
// was written, and ErrUnknown.
func (l *Ledger) Commit(ctx context.Context, d draft) (Order, error) {
	// The id is not made by Postgres: it serves to find the outcome of a COMMIT whose connection broke.
	id, err := uuid.NewV7()
	if err != nil {
		return Order{}, fmt.Errorf("make an order id: %w", err)
	}
	tx, err := l.db.Begin(ctx)
	if err != nil {
		return Order{}, stock.Unavailable("begin the order", err)
	}
	defer func() {
		// Has no effect after COMMIT. The request's context may have ended.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CommitLimit)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()

	placed, err := l.write(ctx, tx, id, d)
	if err != nil {
		return Order{}, err
	}
	if err := d.held(); err != nil {
		return Order{}, errors.Join(ErrLeaseLost, err)
	}
	if err := l.commit(ctx, tx, id); err != nil {
		return Order{}, err
	}
	return placed, nil
}

// write sends the whole order in one round trip: the order's row first, because the
// movements refer to it and its key has to be unused, then the lines in SKU order, so that
// two orders that share SKUs cannot lock their rows in opposite order.
func (l *Ledger) write(ctx context.Context, tx pgx.Tx, id uuid.UUID, d draft) (Order, error) {
	placed := Order{ID: id}
	batch := &pgx.Batch{}
	key, hash, hold := d.written()
	batch.Queue(placeOrder, id, d.Client, key, hash, hold).QueryRow(func(row pgx.Row) error {
		var until *time.Time
		err := row.Scan(&placed.Status, &placed.CreatedAt, &until)
		if until != nil {
			placed.HoldExpiresAt = *until
		}
		return keyTaken(err)
	})
	for _, line := range d.Lines {
		batch.Queue(placeLine, line.SKU, line.Quantity, id, d.token(line.SKU), l.replica).
			QueryRow(func(row pgx.Row) error {
				p := PlacedLine{SKU: line.SKU, Quantity: line.Quantity}
				if err := row.Scan(&p.Remaining, &p.StockVersion); err != nil {
					return fmt.Errorf("place %q: %w", line.SKU, refused(line, err))
				}
				placed.Lines = append(placed.Lines, p)
				return nil
			})
	}
	err := tx.SendBatch(ctx, batch).Close()
	if r, refused := errors.AsType[*refusal](err); refused {
		return Order{}, l.explain(ctx, tx, r.line)
	}
	if errors.Is(err, ErrInFlight) {
		return Order{}, err
	}
	return placed, stock.Unavailable("write the order", err)
}

// keyTaken adds ErrInFlight to the errors by which Postgres refuses an order's row because
// of its key. The unique index makes the insert wait for another transaction with the same
// key: then either that has committed, and the key exists, or the wait was too long.
func keyTaken(err error) error {
	pg, answered := errors.AsType[*pgconn.PgError](err)
	if answered && pg.ConstraintName == "orders_idempotency_key" || lockTimedOut(err) {
		return errors.Join(ErrInFlight, err)
	}
	return err
}

// lockTimedOut reports whether a statement failed because it waited for another transaction
// for longer than lock_timeout.
func lockTimedOut(err error) bool { return sqlState(err) == "55P03" }

// sqlState returns the code of an error of Postgres, or "".
func sqlState(err error) string {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code
	}
	return ""
}

// refusal is the error for a line for which no row was updated.
type refusal struct{ line Line }

func (r *refusal) Error() string { return "the guard refused it, or there is no such SKU" }

func refused(line Line, err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return &refusal{line}
	}
	return err
}

// explain finds out why the guard refused a line, in the same transaction.
func (l *Ledger) explain(ctx context.Context, tx pgx.Tx, line Line) error {
	var onHand int64
	var guard stock.Guard
	err := tx.QueryRow(ctx, "SELECT on_hand, guard FROM stock WHERE sku = $1", line.SKU).Scan(&onHand, &guard)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return &stock.UnknownSKUError{SKU: line.SKU}
	case err != nil:
		return stock.Unavailable("explain the refusal", err)
	case guard == stock.GuardPredicate && onHand < line.Quantity:
		return &stock.ShortError{SKU: line.SKU, Requested: line.Quantity, Remaining: onHand}
	case guard == stock.GuardPredicate:
		// Restocked between the refusal and this query; a retry will find it.
		return fmt.Errorf("%w: SKU %q changed meanwhile", stock.ErrUnavailable, line.SKU)
	default:
		return fmt.Errorf("%w: a later lease of SKU %q was here", ErrLeaseLost, line.SKU)
	}
}

// commit commits the transaction. From here on Postgres decides the outcome, which has to
// be found out even if ctx ends.
func (l *Ledger) commit(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), CommitLimit)
	defer cancel()
	err := tx.Commit(ctx)
	if err == nil {
		return nil
	}
	if stock.Answered(err) {
		return stock.Unavailable("commit the order", err)
	}
	_, err = l.resolve(context.WithoutCancel(ctx), uncertainCommit{id: id, cause: err})
	return err
}
