package order

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderd/internal/stock"
)

// selectOrders answers one row for each line, orders newest first. Ids are
// UUIDs version 7, so their order is that of their making.
const selectOrders = `
	SELECT o.id, o.status, o.created_at, m.sku, -m.delta, m.on_hand, m.version
	FROM orders o JOIN movements m ON m.order_id = o.id AND m.reason = 'sale'`

// Get returns one order, or ErrNotFound.
func (l *Ledger) Get(ctx context.Context, id uuid.UUID) (Order, error) {
	orders, err := l.collect(ctx, selectOrders+` WHERE o.id = $1 ORDER BY m.sku`, id)
	if err != nil {
		return Order{}, err
	}
	if len(orders) == 0 {
		return Order{}, ErrNotFound
	}
	return orders[0], nil
}

// List returns at most limit orders, newest first: those older than before, or
// the newest if before is the zero id.
func (l *Ledger) List(ctx context.Context, before uuid.UUID, limit int) ([]Order, error) {
	if before == uuid.Nil {
		before = uuid.Max
	}
	return l.collect(ctx, selectOrders+`
		WHERE o.id IN (SELECT id FROM orders WHERE id < $1 ORDER BY id DESC LIMIT $2)
		ORDER BY o.id DESC, m.sku`, before, limit)
}

func (l *Ledger) collect(ctx context.Context, sql string, args ...any) ([]Order, error) {
	rows, err := l.db.Query(ctx, sql, args...)
	if err != nil {
		return nil, stock.Unavailable("read the orders", err)
	}
	var orders []Order
	var o Order
	var line PlacedLine
	_, err = pgx.ForEachRow(rows, []any{
		&o.ID, &o.Status, &o.CreatedAt,
		&line.SKU, &line.Quantity, &line.Remaining, &line.StockVersion,
	}, func() error {
		if n := len(orders); n == 0 || orders[n-1].ID != o.ID {
			orders = append(orders, Order{ID: o.ID, Status: o.Status, CreatedAt: o.CreatedAt})
		}
		last := &orders[len(orders)-1]
		last.Lines = append(last.Lines, line)
		return nil
	})
	return orders, stock.Unavailable("read the orders", err)
}
