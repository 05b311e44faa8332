package order

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"orderd/internal/stock"
)

// selectOrders, followed by inOrder, returns one row for each line as it was placed, orders
// newest first, lines by SKU. Ids are UUIDs version 7, so they sort by creation. A hold
// counts as expired from its time on, swept or not, by Postgres' clock, which all replicas
// share.
const (
	selectOrders = `
	SELECT o.id, CASE WHEN o.status = 'held' AND o.hold_expires_at <= clock_timestamp() THEN 'expired' ELSE o.status END,
	       o.created_at, o.hold_expires_at,
	       coalesce(o.idempotency_key, ''), o.request_hash, m.sku, -m.delta, m.on_hand, m.version
	FROM orders o JOIN movements m ON m.order_id = o.id AND m.reason = 'sale'`
	inOrder = ` ORDER BY o.id DESC, m.sku COLLATE "C"`
)

// Get returns one order of a client, or ErrNotFound.
func (l *Ledger) Get(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	return find(ctx, l.db, ` WHERE o.id = $1 AND o.client = $2`, id, client)
}

// List returns at most limit orders of a client, newest first: those older than
// before, or the newest if before is the zero id.
func (l *Ledger) List(ctx context.Context, client string, before uuid.UUID, limit int) ([]Order, error) {
	if before == uuid.Nil {
		before = uuid.Max
	}
	where := "client = $2"
	if client != "" {
		where += " AND client <> ''" // shows that the partial index orders_client, which has no others, will do
	}
	return collect(ctx, l.db, `
		WHERE o.id IN (SELECT id FROM orders WHERE id < $1 AND `+where+` ORDER BY id DESC LIMIT $3)`,
		before, client, limit)
}

// replays returns the orders that the requests' keys have placed, as they were first
// answered, whatever became of them since. It waits until they are durable: see resolve.
// Its error is stock.ErrUnavailable.
func (l *Ledger) replays(ctx context.Context, requests []Request) (map[claimedKey]Order, error) {
	clients, keys := make([]string, len(requests)), make([]string, len(requests))
	asked := make(map[string]claimedKey, len(requests)) // by the key as it is stored
	for i, r := range requests {
		clients[i], keys[i] = r.Client, stock.StoredKey(r.Client, r.Key)
		asked[keys[i]] = claimedKey{r.Client, r.Key}
	}
	// One index lookup for each key: with statistics from a time when orders had no keys, the planner would
	// choose a join that reads all orders. OFFSET 0 keeps it from turning this into one.
	orders, err := collect(ctx, l.db, `
		WHERE o.id = ANY (ARRAY(
			SELECT found.id FROM unnest($1::text[], $2::text[]) AS k (client, key), LATERAL (
				SELECT id FROM orders WHERE client = k.client AND idempotency_key = k.key OFFSET 0) AS found))`, clients, keys)
	if err != nil {
		return nil, err
	}
	if len(orders) > 0 {
		if err := stock.WaitDurable(ctx, l.db); err != nil {
			return nil, stock.Unavailable("secure what was placed", err)
		}
	}
	first := make(map[claimedKey]Order, len(orders))
	for _, o := range orders {
		o.Status, o.Replayed = StatusConfirmed, true
		if !o.HoldExpiresAt.IsZero() {
			o.Status = StatusHeld
		}
		first[asked[o.key]] = o
	}
	return first, nil
}

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func find(ctx context.Context, db querier, where string, args ...any) (Order, error) {
	orders, err := collect(ctx, db, where, args...)
	if err != nil {
		return Order{}, err
	}
	if len(orders) == 0 {
		return Order{}, ErrNotFound
	}
	return orders[0], nil
}

func collect(ctx context.Context, db querier, where string, args ...any) ([]Order, error) {
	rows, err := db.Query(ctx, selectOrders+where+inOrder, args...)
	if err != nil {
		return nil, stock.Unavailable("read the orders", err)
	}
	var orders []Order
	var o Order
	var until *time.Time
	var line PlacedLine
	_, err = pgx.ForEachRow(rows, []any{
		&o.ID, &o.Status, &o.CreatedAt, &until, &o.key, &o.hash,
		&line.SKU, &line.Quantity, &line.Remaining, &line.StockVersion,
	}, func() error {
		if n := len(orders); n == 0 || orders[n-1].ID != o.ID {
			if o.HoldExpiresAt = (time.Time{}); until != nil {
				o.HoldExpiresAt = *until
			}
			orders = append(orders, o)
		}
		last := &orders[len(orders)-1]
		last.Lines = append(last.Lines, line)
		return nil
	})
	return orders, stock.Unavailable("read the orders", err)
}
