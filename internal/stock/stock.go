// Package stock knows how much of each SKU is left.
//
// Postgres is the truth ([Store]). Redis holds a quick answer ([Cache]): the
// level and the version of each SKU, written only by a newer version, rebuilt
// from Postgres when it is missing. Nobody is told "sold out" on Redis' word
// alone: [Shortages] asks Postgres first, once for all who ask within 100 ms.
//
// Two follow the ledger: the [Reconciler] repairs Redis towards Postgres, and
// the [Relay] publishes each change to a Redis stream.
package stock

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxOnHand is the highest level a SKU can be set to.
const MaxOnHand = 1_000_000_000_000

// A Guard says what in Postgres stands between a sale and a level below zero.
type Guard string

// The guards. Only GuardPredicate is for selling; the others are for showing
// what the lock and the fencing token do on their own.
const (
	// GuardPredicate: the sale's UPDATE needs on_hand >= quantity.
	GuardPredicate Guard = "predicate"
	// GuardFence: the sale needs fence <= the lease's token, and keeps the token.
	GuardFence Guard = "fence"
	// GuardClaim: the token is registered in the row before the stock is
	// looked at, and the sale needs fence = token.
	GuardClaim Guard = "claim"
	// GuardNone: an unconditional decrement.
	GuardNone Guard = "none"
)

// A Level is what is left of a SKU as of a version. Versions of one SKU order
// its levels: a larger one is newer.
type Level struct {
	SKU     string
	OnHand  int64 // units; below zero only when oversold
	Version int64
	Guard   Guard
}

// An Item is a SKU's row in Postgres. Received is what ever came in, OnHand +
// Sold.
type Item struct {
	Level
	// Sold is the units that orders have, confirmed or held. Those of a cancelled or
	// expired order are on hand again and sold no longer.
	Sold int64
}

// Received returns the units that ever came in: those left and those sold.
func (i Item) Received() int64 { return i.OnHand + i.Sold }

// A Movement is one change of a SKU's level. OnHand and Version are those
// after it.
type Movement struct {
	SKU     string
	Version int64
	Delta   int64
	Reason  string
	OrderID string // empty unless an order moved the units
	OnHand  int64
	Token   int64 // the lease's fencing token, 0 without one
	Replica string
	At      time.Time
}

// Errors of this package. Test with errors.Is.
var (
	// ErrUnknown: the connection broke while Postgres was committing a change of the
	// stock, which may or may not have been made.
	ErrUnknown = errors.New("stock: outcome is unknown")
	// ErrUnknownSKU: no such SKU was ever created. See [UnknownSKUError].
	ErrUnknownSKU = errors.New("stock: unknown SKU")
	// ErrShort: fewer units are left than asked for. See [ShortError].
	ErrShort = errors.New("stock: not enough left")
	// ErrInvalid: the request can never succeed as it is. See [InvalidError].
	ErrInvalid = errors.New("stock: invalid request")
	// ErrKeyReused: the idempotency key belongs to another adjustment.
	ErrKeyReused = errors.New("stock: idempotency key belongs to another adjustment")
	// ErrUnavailable: Postgres or Redis cannot answer now.
	ErrUnavailable = errors.New("stock: store is unavailable")
)

// UnknownSKUError names the SKU that does not exist. It is an ErrUnknownSKU.
type UnknownSKUError struct{ SKU string }

func (e *UnknownSKUError) Error() string { return fmt.Sprintf("no SKU %q", e.SKU) }

// Is reports whether target is ErrUnknownSKU.
func (e *UnknownSKUError) Is(target error) bool { return target == ErrUnknownSKU }

// ShortError tells how many units were asked for and how many are left. It is
// an ErrShort.
type ShortError struct {
	SKU                  string
	Requested, Remaining int64
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("SKU %q has %d left, %d requested", e.SKU, e.Remaining, e.Requested)
}

// Is reports whether target is ErrShort.
func (e *ShortError) Is(target error) bool { return target == ErrShort }

// InvalidError names the field that is wrong, as "body.lines[0].sku". It is an
// ErrInvalid.
type InvalidError struct{ Field, Problem string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// SKUPattern is what a SKU looks like. It becomes a Redis key and a part of a
// ZooKeeper path, so "." and ".." alone are left out.
const SKUPattern = `^(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)$`

// SKUMaxLength is the most characters a SKU has.
const SKUMaxLength = 64

// ValidSKU tells whether sku can be the name of a SKU: one that SKUPattern
// matches, within SKUMaxLength.
func ValidSKU(sku string) bool {
	if sku == "" || len(sku) > SKUMaxLength || sku == "." || sku == ".." {
		return false
	}
	for _, c := range []byte(sku) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// reservedReasons are the movements that orderd itself writes.
var reservedReasons = []string{"created", "set", "sale", "cancel", "hold_expired"}

func checkReason(reason string) error {
	for _, r := range reservedReasons {
		if strings.EqualFold(r, reason) {
			return &InvalidError{"body.reason", fmt.Sprintf("%q is written by orderd itself", reason)}
		}
	}
	return nil
}
