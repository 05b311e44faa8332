package stock

import (
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// An event describes one movement. Its id is the movement's, and so is the same in every
// delivery.
type event struct {
	id int64
	Movement
}

// eventsAfter selects at most $3 events with ids above $1 and up to $2.
const eventsAfter = `
	SELECT id, sku, version, delta, reason, coalesce(order_id::text, ''), on_hand, at
	FROM movements WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`

func scanEvent(row pgx.CollectableRow) (event, error) {
	var e event
	err := row.Scan(&e.id, &e.SKU, &e.Version, &e.Delta, &e.Reason, &e.OrderID, &e.OnHand, &e.At)
	return e, err
}

// fields returns the event as the fields of a stream entry. order_id is empty unless an order
// moved the units.
func (e event) fields() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		"id", number(e.id), "sku", e.SKU, "version", number(e.Version), "delta", number(e.Delta),
		"on_hand", number(e.OnHand), "reason", e.Reason, "order_id", e.OrderID,
		"at", e.At.UTC().Format(time.RFC3339Nano),
	}
}
