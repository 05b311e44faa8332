// Package order places orders: it acquires leases on their SKUs, reads the stock, commits
// in Postgres and answers over HTTP.
//
// An order flows through the files like this: http.go decodes and validates, service.go
// submits it to a lane, lane.go collects the waiting orders, group.go places them as a
// group: turn.go acquires the lease, view.go reads the stock, settle.go decides which
// orders get their units, group_ledger.go commits, pending_release.go writes the new levels
// back and releases. Without lanes service.go and ledger.go do the same for one order at a
// time. Every request for an order ends placed (confirmed or held), refused or unknown, and
// never in between: problem.go has the one table that maps the errors to HTTP answers. An
// order with an idempotency key goes through once.go first, which replays the answer if the
// order has been placed before. Confirming, cancelling and sweeping placed orders is in
// change.go and ending.go.
package order

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"orderd/internal/stock"
)

// Limits of one order.
const (
	MaxLines    = 20
	MaxQuantity = 10_000
	MaxHold     = 3600 // seconds
)

// The statuses of an order that took its units.
const (
	// StatusConfirmed: the units are the client's.
	StatusConfirmed = "confirmed"
	// StatusHeld: the units are held for the client for a time, and the client's for good if the
	// order is confirmed before its end.
	StatusHeld = "held"
	// StatusExpired: the hold is over. The units are returned, if they have not been yet.
	StatusExpired = "expired"
	// StatusCancelled: the client has given the units back.
	StatusCancelled = "cancelled"
)

// A Line asks for a quantity of one SKU.
type Line struct {
	SKU      string
	Quantity int64
}

// An Order is what was committed.
type Order struct {
	ID        uuid.UUID
	Status    string
	Lines     []PlacedLine
	CreatedAt time.Time
	// HoldExpiresAt is when the hold is over, or would have been; zero for an order
	// that was never held.
	HoldExpiresAt time.Time
	// Replayed: the order had been placed before, by a request with the same key.
	Replayed bool

	key  string // as it is stored; empty: none
	hash []byte // of the request, if it had a key
}

// A PlacedLine is a line with the SKU's level and version right after it:
// orders of one SKU, sorted by StockVersion, are in the order of their sale.
type PlacedLine struct {
	SKU          string
	Quantity     int64
	Remaining    int64
	StockVersion int64
}

// Errors of placing and reading orders, beside those of the stock and locking
// packages. Test with errors.Is.
var (
	// ErrKeyReused: an order with this key was placed before, for something else.
	ErrKeyReused = errors.New("order: the key belongs to another order")
	// ErrInFlight: an order with this key is being placed, and its outcome is not known yet.
	ErrInFlight = errors.New("order: an order with this key is being placed")
	// ErrHoldExpired: the order was held, and its time is over.
	ErrHoldExpired = errors.New("order: the hold has expired")
	// ErrNotHeld: the order was cancelled and cannot be confirmed.
	ErrNotHeld = errors.New("order: is not held")
	// ErrNotFound: there is no such order.
	ErrNotFound = errors.New("order: not found")
	// ErrLeaseLost: the lease ended before the order was committed, or
	// Postgres refused its token. Nothing was written.
	ErrLeaseLost = errors.New("order: lease was lost before the commit")
	// ErrUnknown: the connection broke while Postgres was committing, and the
	// outcome could not be found out. The order may have been placed.
	ErrUnknown = errors.New("order: outcome is unknown")
)

// errUnkeyed goes with ErrUnknown if the order has no key of its client's: sent again, it could
// be placed twice.
var errUnkeyed = errors.New("order: there is no key to ask again with")

// merge checks the lines and sums those of the same SKU. The result is sorted by SKU:
// leases are acquired and rows in Postgres locked in this order.
func merge(lines []Line) ([]Line, error) {
	if len(lines) == 0 || len(lines) > MaxLines {
		return nil, &stock.InvalidError{Field: "body.lines", Problem: fmt.Sprintf("needs 1 to %d lines", MaxLines)}
	}
	for i, l := range lines {
		if !stock.ValidSKU(l.SKU) {
			return nil, &stock.InvalidError{Field: fmt.Sprintf("body.lines[%d].sku", i), Problem: "is not a SKU"}
		}
		if l.Quantity < 1 || l.Quantity > MaxQuantity {
			return nil, &stock.InvalidError{
				Field:   fmt.Sprintf("body.lines[%d].quantity", i),
				Problem: fmt.Sprintf("needs 1 to %d units", MaxQuantity),
			}
		}
	}
	if len(lines) == 1 {
		return lines, nil
	}
	sums := make(map[string]int64, len(lines))
	for _, l := range lines {
		sums[l.SKU] += l.Quantity
	}
	merged := make([]Line, 0, len(sums))
	for sku, quantity := range sums {
		merged = append(merged, Line{sku, quantity})
	}
	slices.SortFunc(merged, func(a, b Line) int { return cmp.Compare(a.SKU, b.SKU) })
	return merged, nil
}

func skus(lines []Line) []string {
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.SKU
	}
	return names
}
