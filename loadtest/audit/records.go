package audit

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"orderd/loadtest/load"
)

// Records are all that is known of a drive. What is missing is not judged.
type Records struct {
	Ops []load.Op
	// Acts are the requests other than orders.
	Acts []load.Action
	// Ledger has the movements of each SKU in version order, beginning with the one that the
	// drive started from.
	Ledger []load.Movement
	// Starts are the levels that were set before the drive. Nil if nobody set any.
	Starts []Start
	// Clients is the number of concurrent clients.
	Clients int

	// Leases are the leases held, as their holders saw them.
	Leases []Lease
	// Exclusive tells that nothing but the lock protects the stock, and that it must.
	Exclusive bool
	// Tokens tells that the lock's leases have tokens, so that each sale must have one.
	Tokens bool
	// Placed are the orders in the database. Nil if nobody looked.
	Placed []Placed
	// Levels are the stock levels, read after the last answer and before the ledger. Nil if
	// nobody looked.
	Levels []Level
	// Left is what was still held once all was quiet. Nil if nobody looked.
	Left *Left
	// Fault is the fault that was injected. Nil if none was.
	Fault *Fault
	// Probes are orders for a SKU that nobody had ordered before, sent after the fault;
	// Client is the number of the replica that was asked. Nil if none were sent.
	Probes []load.Op
}

// A Lease is one critical section on a key as its holder saw it: when it asked for the lock,
// when it entered, and when it last touched what the lock protects. Times are on the clock of
// the Ops.
type Lease struct {
	Key     string        `json:"key,omitempty"` // empty in a drive of one SKU
	Replica string        `json:"replica"`
	Token   int64         `json:"token,omitempty"` // 0 if unknown
	Asked   time.Duration `json:"asked_ns"`
	Entered time.Duration `json:"entered_ns"`
	Left    time.Duration `json:"left_ns"`
}

// A Placed is an order in the database.
type Placed struct {
	ID     string `json:"id"`
	Client string `json:"client,omitempty"`
	// Key is the client's, or, as orderd keeps it, "sha256 " and the hash of the client, a line
	// feed and the key, in base64.
	Key string `json:"idempotency_key,omitempty"`
}

// Has reports whether the order was placed with the client's key.
func (p Placed) Has(key string) bool {
	return key != "" && (p.Key == key || p.Key == storedKey(p.Client, key))
}

func storedKey(client, key string) string {
	sum := sha256.Sum256([]byte(client + "\n" + key))
	return "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
}

// A Start is a SKU's level that was set before the drive.
type Start struct {
	SKU    string `json:"sku,omitempty"` // empty in a drive of one SKU
	OnHand int64  `json:"on_hand"`
}

// A Level is a SKU's stock in Postgres, and its copy in Redis if there is one.
type Level struct {
	SKU     string `json:"sku,omitempty"`
	OnHand  int64  `json:"on_hand"`
	Version int64  `json:"version"`
	Quick   *Quick `json:"quick,omitempty"`
	// Mended tells that Redis was wrong until a reconciler began to run.
	Mended bool `json:"mended,omitempty"`
}

// A Quick is the level that Redis answers.
type Quick struct {
	OnHand  int64 `json:"on_hand"`
	Version int64 `json:"version"`
}

// A Left is the result of looking in the servers for lock keys and nodes, session locks and
// open transactions. Held is what was found.
type Left struct {
	Looked []string `json:"looked"` // in which servers
	Held   []string `json:"held,omitempty"`
}

// A Fault is an injected fault, and what was seen of it.
type Fault struct {
	Name  string `json:"name"`
	Fired bool   `json:"fired"` // it was seen to have happened
	// Healed is when it was over, on the clock of the Ops. Nil for a fault after
	// which nobody ordered, such as a holder's death.
	Healed *time.Duration `json:"healed_ns,omitempty"`
}
