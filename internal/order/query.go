package order

import (
	"bytes"
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderd/internal/stock"
)

// selectOrders answers one row for each line, orders newest first, lines by SKU
// as they were placed. Ids are UUIDs version 7, so their order is that of their
// making.
const (
	selectOrders = `
	SELECT o.id, o.status, o.created_at, o.request_hash, m.sku, -m.delta, m.on_hand, m.version
	FROM orders o JOIN movements m ON m.order_id = o.id AND m.reason = 'sale'`
	inOrder = ` ORDER BY o.id DESC, m.sku COLLATE "C"`
)

// Get returns one order of a client, or ErrNotFound.
func (l *Ledger) Get(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	return l.find(ctx, ` WHERE o.id = $1 AND o.client = $2`, id, client)
}

// List returns at most limit orders of a client, newest first: those older than
// before, or the newest if before is the zero id.
func (l *Ledger) List(ctx context.Context, client string, before uuid.UUID, limit int) ([]Order, error) {
	if before == uuid.Nil {
		before = uuid.Max
	}
	return l.collect(ctx, `
		WHERE o.id IN (SELECT id FROM orders WHERE id < $1 AND client = $2 ORDER BY id DESC LIMIT $3)`,
		before, client, limit)
}

// Replay returns the order that the request's key has placed, as it was answered
// then, whatever became of it since. Its errors are ErrNotFound, ErrKeyReused
// if the order is for something else, and stock.ErrUnavailable.
func (l *Ledger) Replay(ctx context.Context, r Request) (Order, error) {
	order, err := l.find(ctx, ` WHERE o.client = $1 AND o.idempotency_key = $2`, r.Client, r.Key)
	if err != nil {
		return Order{}, err
	}
	if !bytes.Equal(order.hash, r.hash()) {
		return Order{}, ErrKeyReused
	}
	order.Status, order.Replayed = StatusConfirmed, true
	return order, nil
}

func (l *Ledger) find(ctx context.Context, where string, args ...any) (Order, error) {
	orders, err := l.collect(ctx, where, args...)
	if err != nil {
		return Order{}, err
	}
	if len(orders) == 0 {
		return Order{}, ErrNotFound
	}
	return orders[0], nil
}

func (l *Ledger) collect(ctx context.Context, where string, args ...any) ([]Order, error) {
	rows, err := l.db.Query(ctx, selectOrders+where+inOrder, args...)
	if err != nil {
		return nil, stock.Unavailable("read the orders", err)
	}
	var orders []Order
	var o Order
	var line PlacedLine
	_, err = pgx.ForEachRow(rows, []any{
		&o.ID, &o.Status, &o.CreatedAt, &o.hash,
		&line.SKU, &line.Quantity, &line.Remaining, &line.StockVersion,
	}, func() error {
		if n := len(orders); n == 0 || orders[n-1].ID != o.ID {
			orders = append(orders, o)
		}
		last := &orders[len(orders)-1]
		last.Lines = append(last.Lines, line)
		return nil
	})
	return orders, stock.Unavailable("read the orders", err)
}
