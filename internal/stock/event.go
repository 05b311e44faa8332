package stock

import (
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
)

// An event tells of one movement. Its id is the movement's: it stays the same
// however often the event is delivered.
type event struct {
	id int64
	Movement
}

// eventsAfter selects the events after one id, and up to another.
const eventsAfter = `
	SELECT id, sku, version, delta, reason, coalesce(order_id::text, ''), on_hand, at
	FROM movements WHERE id > $1 AND id <= $2 ORDER BY id LIMIT $3`

func scanEvent(row pgx.CollectableRow) (event, error) {
	var e event
	err := row.Scan(&e.id, &e.SKU, &e.Version, &e.Delta, &e.Reason, &e.OrderID, &e.OnHand, &e.At)
	return e, err
}

// fields are the event as an entry of the stream. order_id is empty unless an
// order moved the units.
func (e event) fields() []string {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return []string{
		"id", number(e.id), "sku", e.SKU, "version", number(e.Version), "delta", number(e.Delta),
		"on_hand", number(e.OnHand), "reason", e.Reason, "order_id", e.OrderID,
		"at", e.At.UTC().Format(time.RFC3339Nano),
	}
}
