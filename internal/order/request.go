package order

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"orderd/internal/stock"
)

// A Request asks for an order.
type Request struct {
	// Client is who asks: keys and orders are each client's own. Empty where
	// clients are not told apart.
	Client string
	// Key is the client's name for this order: however often it is asked for with
	// the same key, there is one. Empty: each time is an order of its own.
	Key   string
	Lines []Line
	// HoldSeconds is for how long the units are held for the client; 0: they are
	// the client's.
	HoldSeconds int64
}

// hash tells a request that is repeated from another one with the same key. It
// is of what is asked for and not of how it was written: lines are as merge
// leaves them.
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

// status is that of the order that the request asks for.
func (r *Request) status() string {
	if r.HoldSeconds != 0 {
		return StatusHeld
	}
	return StatusConfirmed
}

// check finds what can never be ordered, and merges the lines.
func (r *Request) check() error {
	if r.HoldSeconds < 0 || r.HoldSeconds > MaxHold {
		return &stock.InvalidError{Field: "body.hold_seconds", Problem: fmt.Sprintf("needs 1 to %d seconds", MaxHold)}
	}
	var err error
	r.Lines, err = merge(r.Lines)
	return err
}

// written returns the key, what it is for and the hold as they are stored: each
// nil for a request without it.
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
