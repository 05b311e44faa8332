// Package stock keeps the level of each SKU: how many units of it are left.
//
// Postgres is the source of truth ([Store]). Redis holds a cache ([Cache]): the level and
// version of each SKU, overwritten only by a newer version and rebuilt from Postgres where it
// is missing. No caller is told "sold out" on Redis' word alone: [Shortages] asks Postgres
// first, with one read for all who ask within 100 ms.
//
// Two background jobs follow the ledger: the [Reconciler] repairs Redis from Postgres, and the
// [Relay] publishes each change to a Redis stream.
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
	// GuardFence: the sale needs fence <= the lease's token, and raises the fence to it.
	GuardFence Guard = "fence"
	// GuardClaim: the token is registered in the row before the stock is read, and the sale
	// needs fence = token.
	GuardClaim Guard = "claim"
	// GuardNone: an unconditional decrement.
	GuardNone Guard = "none"
)

// A Level is what is left of a SKU as of a version. Versions order the levels of one SKU: the
// larger is the newer.
type Level struct {
	SKU     string
	OnHand  int64 // units; below zero only when oversold
	Version int64
	Guard   Guard
}

// An Item is a SKU's row in Postgres.
type Item struct {
	Level
	// Sold is the units of confirmed and held orders. Those of a cancelled or expired order are
	// on hand again and no longer count.
	Sold int64
}

// Received returns all units that ever came in: those on hand and those sold.
func (i Item) Received() int64 { return i.OnHand + i.Sold }

// A Movement is one change of a SKU's level. OnHand and Version are those after it.
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
	// ErrUnknown: the connection broke during COMMIT, so that a change of the stock may or may
	// not have been made.
	ErrUnknown = errors.New("stock: outcome is unknown")
	// ErrUnknownSKU: there is no such SKU. See [UnknownSKUError].
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

// ShortError says how many units were asked for and how many are left. It is an ErrShort.
type ShortError struct {
	SKU                  string
	Requested, Remaining int64
}

func (e *ShortError) Error() string {
	return fmt.Sprintf("SKU %q has %d left, %d requested", e.SKU, e.Remaining, e.Requested)
}

// Is reports whether target is ErrShort.
func (e *ShortError) Is(target error) bool { return target == ErrShort }

// InvalidError names the field that is wrong, such as "body.lines[0].sku". It is an ErrInvalid.
type InvalidError struct{ Field, Problem string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// Is reports whether target is ErrInvalid.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// SKUPattern matches a SKU. SKUs are parts of Redis keys and ZooKeeper paths, so "." and ".."
// alone are excluded.
const SKUPattern = `^(\.{0,2}[A-Za-z0-9_-][A-Za-z0-9._-]*|\.{3}[A-Za-z0-9._-]*)$`

// SKUMaxLength is the maximum length of a SKU in characters.
const SKUMaxLength = 64

// ValidSKU reports whether SKUPattern matches sku, within SKUMaxLength.
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

// reservedReasons are the reasons that only orderd's own movements have: no adjustment may use
// them.
var reservedReasons = []string{"created", "set", "sale", "cancel", "hold_expired"}

func checkReason(reason string) error {
	for _, r := range reservedReasons {
		if strings.EqualFold(r, reason) {
			return &InvalidError{"body.reason", fmt.Sprintf("%q is written by orderd itself", reason)}
		}
	}
	return nil
}
