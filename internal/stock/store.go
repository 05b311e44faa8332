package stock

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// A Store is the stock in Postgres, the source of truth. Its errors are ErrUnknownSKU,
// ErrShort, ErrInvalid, ErrUnavailable and, from changes, ErrUnknown.
type Store struct {
	db      *pgxpool.Pool
	replica string
}

// NewStore returns the stock in db. Its movements carry the replica's name.
func NewStore(db *pgxpool.Pool, replica string) *Store {
	return &Store{db: db, replica: replica}
}

// Ping returns an error unless Postgres answers and has the schema.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.db.Exec(ctx, "SELECT FROM stock, adjustments LIMIT 0")
	return Unavailable("ask Postgres for the stock", err)
}

const itemColumns = "sku, on_hand, version, guard, sold"

func scanItem(row pgx.CollectableRow) (Item, error) {
	var i Item
	err := row.Scan(&i.SKU, &i.OnHand, &i.Version, &i.Guard, &i.Sold)
	return i, err
}

// Get returns one SKU's row.
func (s *Store) Get(ctx context.Context, sku string) (Item, error) {
	return queryItem(ctx, s.db, sku, "SELECT "+itemColumns+" FROM stock WHERE sku = $1", sku)
}

// List returns at most limit rows with SKUs greater than after, in SKU order.
func (s *Store) List(ctx context.Context, after string, limit int) ([]Item, error) {
	rows, err := s.db.Query(ctx,
		"SELECT "+itemColumns+" FROM stock WHERE sku > $1 ORDER BY sku LIMIT $2", after, limit)
	if err != nil {
		return nil, Unavailable("list the stock", err)
	}
	items, err := pgx.CollectRows(rows, scanItem)
	return items, Unavailable("list the stock", err)
}

// Levels returns the levels of the SKUs that exist, in no particular order.
func (s *Store) Levels(ctx context.Context, skus []string) ([]Level, error) {
	rows, err := s.db.Query(ctx, "SELECT "+itemColumns+" FROM stock WHERE sku = ANY($1)", skus)
	if err != nil {
		return nil, Unavailable("read the stock", err)
	}
	levels, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Level, error) {
		item, err := scanItem(row)
		return item.Level, err
	})
	return levels, Unavailable("read the stock", err)
}

// Claim registers the lease's token in the row of a SKU with guard claim, before its stock is
// read, and returns the level at that moment. ok is false if a later lease has claimed the row
// already, or if there is no such SKU with that guard.
func (s *Store) Claim(ctx context.Context, sku string, token int64) (level Level, ok bool, err error) {
	item, err := queryItem(ctx, s.db, sku, `
		UPDATE stock SET fence = $2, updated_at = now()
		WHERE sku = $1 AND guard = 'claim' AND fence <= $2
		RETURNING `+itemColumns, sku, token)
	if errors.Is(err, ErrUnknownSKU) {
		return Level{}, false, nil
	}
	return item.Level, err == nil, err
}

// Fence raises a SKU's fence to token: from then on the guards fence and claim refuse leases
// with smaller tokens.
func (s *Store) Fence(ctx context.Context, sku string, token int64) error {
	_, err := queryItem(ctx, s.db, sku, `
		UPDATE stock SET fence = greatest(fence, $2), updated_at = now()
		WHERE sku = $1
		RETURNING `+itemColumns, sku, token)
	return err
}

// Movements returns at most limit movements of a SKU with versions greater than after, in
// version order.
func (s *Store) Movements(ctx context.Context, sku string, after int64, limit int) ([]Movement, error) {
	if _, err := s.Get(ctx, sku); err != nil {
		return nil, err
	}
	rows, err := s.db.Query(ctx, `
		SELECT sku, version, delta, reason, coalesce(order_id::text, ''), on_hand, token, replica, at
		FROM movements WHERE sku = $1 AND version > $2 ORDER BY version LIMIT $3`, sku, after, limit)
	if err != nil {
		return nil, Unavailable("read the movements", err)
	}
	movements, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Movement])
	return movements, Unavailable("read the movements", err)
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// queryItem runs a query that returns the SKU's row, or no row if there is no such SKU.
func queryItem(ctx context.Context, db querier, sku, sql string, args ...any) (Item, error) {
	rows, err := db.Query(ctx, sql, args...)
	if err != nil {
		return Item{}, Unavailable("read the stock", err)
	}
	item, err := pgx.CollectExactlyOneRow(rows, scanItem)
	if errors.Is(err, pgx.ErrNoRows) {
		return Item{}, fmt.Errorf("read the stock: %w", &UnknownSKUError{sku})
	}
	return item, Unavailable("read the stock", err)
}
