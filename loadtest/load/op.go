// Package load sends orders and records the outcome of each.
package load

import "time"

// An Outcome is what became of an order, as far as its client knows.
type Outcome string

// The outcomes. Confirmed, SoldOut and Busy are definite: the first was placed
// and the others were not. Failed is any other definite refusal, Unknown an
// order that may or may not have been placed.
const (
	Confirmed Outcome = "confirmed"
	SoldOut   Outcome = "sold_out"
	Busy      Outcome = "busy"
	Failed    Outcome = "failed"
	Unknown   Outcome = "unknown"
)

// An Op is one order as its client saw it. Call and Return are measured from the start of the
// drive by one monotonic clock.
type Op struct {
	Seq      int     `json:"seq"`
	Client   int     `json:"client"`
	Replica  string  `json:"replica,omitempty"`         // as the answer names it
	Quantity int64   `json:"quantity"`                  // 0 for a cart
	Lines    []Line  `json:"lines,omitempty"`           // of a cart; if empty, the order is one line of the drive's SKU
	Key      string  `json:"idempotency_key,omitempty"` // shared by all attempts at one order
	Hold     int     `json:"hold_seconds,omitempty"`    // 0: no hold
	Outcome  Outcome `json:"outcome"`
	Status   int     `json:"status,omitempty"` // HTTP status; 0 without an answer
	Code     string  `json:"code,omitempty"`   // of the problem
	Error    string  `json:"error,omitempty"`  // of the transport
	OrderID  string  `json:"order_id,omitempty"`
	Left     int64   `json:"remaining,omitempty"`
	Version  int64   `json:"stock_version,omitempty"`
	// Digest is a hash of the whole answer that confirmed an order with a key: every attempt
	// must get the same answer.
	Digest string        `json:"answer_digest,omitempty"`
	Call   time.Duration `json:"call_ns"`
	Return time.Duration `json:"return_ns"`
	// LockWait is how long the order waited for the lock, as the answer says; negative if it
	// does not say.
	LockWait time.Duration `json:"lock_wait_ns"`
}

// Latency is how long the client waited for its answer.
func (o Op) Latency() time.Duration { return o.Return - o.Call }

// A Line is one line of a cart as it was ordered. Left and Version are those of its SKU, as
// in the answer to a confirmed cart.
type Line struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
	Left     int64  `json:"remaining,omitempty"`
	Version  int64  `json:"stock_version,omitempty"`
}
