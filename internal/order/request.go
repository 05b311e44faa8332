package order

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"orderd/internal/stock"
)

// A Request asks for an order.
type Request struct {
	// Client is the client's name: it has its own keys and orders. Empty where clients are not
	// distinguished.
	Client string
	// Key is the idempotency key: however often the request is sent with the same key, one
	// order is placed. Empty: every request places an order of its own.
	Key   string
	Lines []Line
	// HoldSeconds is how long the units are held for the client; 0: the order is confirmed at once.
	HoldSeconds int64
}

// hash distinguishes a repeated request from a different one with the same key. It covers
// what is ordered and not how that was written: lines are as merge returns them.
func (r *Request) hash() []byte {
	text, err := json.Marshal(struct {
		Lines []Line
		Hold  int64
	}{r.Lines, r.HoldSeconds})
	if err != nil {
		panic(err) // strings and numbers
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// status is the status of the order once it is placed.
func (r *Request) status() string {
	if r.HoldSeconds != 0 {
		return StatusHeld
	}
	return StatusConfirmed
}

// check refuses what can never be ordered, and merges the lines.
func (r *Request) check() error {
	if r.HoldSeconds < 0 || r.HoldSeconds > MaxHold {
		return &stock.InvalidError{Field: "body.hold_seconds", Problem: fmt.Sprintf("needs 1 to %d seconds", MaxHold)}
	}
	var err error
	r.Lines, err = merge(r.Lines)
	return err
}

// written returns the key, the hash of its request and the hold as they are stored: nil for
// a request without.
func (r *Request) written() (key *string, hash []byte, hold *int64) {
	if r.Key != "" {
		stored := stock.StoredKey(r.Client, r.Key)
		key, hash = &stored, r.hash()
	}
	if r.HoldSeconds != 0 {
		hold = &r.HoldSeconds
	}
	return key, hash, hold
}
