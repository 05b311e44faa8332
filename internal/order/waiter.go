package order

import (
	"context"
	"sync"
	"time"
)

// A waiter is an order in a lane.
type waiter struct {
	Request // its lines as merge leaves them
	ctx     context.Context
	arrived time.Time
	answer  chan result

	mu    sync.Mutex
	begun bool // its transaction has begun, or is about to: too late to give up
	left  bool // its caller has given up
}

// A result is the outcome of an order.
type result struct {
	order  Order
	lane   time.Duration // time waited in the lane
	shared string        // the group's steps, as record.String formats them
	group  *groupSpan
	err    error
}

// leave withdraws the order unless it is too late, and reports whether it did.
func (w *waiter) leave() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = !w.begun
	return w.left
}

// begin makes it too late to withdraw the order, and reports whether it did: not if the
// caller has given up.
func (w *waiter) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = !w.left
	return w.begun
}
