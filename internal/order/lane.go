package order

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// laneDepth is how many orders may wait in a lane. When it is full, orders are refused at
// once: a queue that never drains serves every order too late.
const laneDepth = 512

// verdictGrace is how much longer an order waits than its group does for a server. A group finds
// out only at the end of its time that the server does not answer: the order is to be told that,
// and not that others were there first.
const verdictGrace = 20 * time.Millisecond

var (
	errLaneFull   = errors.New("too many orders are waiting already")
	errLaneClosed = errors.New("this replica stops")
)

// A lane collects the orders that arrive while a group is being placed, and places them as
// the next group: whatever is waiting, up to a limit, without waiting for more. It has a
// goroutine only while it has orders or idles.
type lane struct {
	name     string
	limit    int           // orders in a group, at most
	patience time.Duration // how long an order waits
	place    func([]*waiter)
	busy     func() []string    // SKUs that the next group would have to wait for, sorted; may be nil
	idle     func() (over bool) // called while no order waits, until it is over or one does
	joined   chan struct{}      // of capacity 1: signals to idle that an order has arrived; may be nil

	mu      sync.Mutex
	waiting []*waiter // in order of arrival
	running bool
	idling  bool
	closed  bool
	down    error          // ErrUnavailable of locking or stock, if the last group ended for that reason
	runs    sync.WaitGroup // its goroutines, and those of placeInParts
}

// submit places an order with the next group. If ctx or the lane's patience ends while the
// order can still be withdrawn, it is, and the error is locking.ErrBusy, as it is when the
// lane is full; or ErrUnavailable if it waits behind a group that had that.
func (l *lane) submit(ctx context.Context, r Request) (Order, error) {
	w := &waiter{Request: r, ctx: ctx, arrived: time.Now(), answer: make(chan result, 1)}
	if err := l.enter(w); err != nil {
		return Order{}, errors.Join(l.drop(w), err)
	}
	patience := time.NewTimer(l.patience)
	defer patience.Stop()
	cause := context.DeadlineExceeded
	select {
	case a := <-w.answer:
		return l.deliver(w, a)
	case <-patience.C:
	case <-ctx.Done():
		cause = context.Cause(ctx)
	}
	if w.leave() {
		reason := l.drop(w)
		select {
		case a := <-w.answer: // the whole group's error, which came at the same moment
			return l.deliver(w, a)
		default:
		}
		recordOf(ctx).traces.waited(w, l.name, time.Since(w.arrived), nil)
		return Order{}, errors.Join(reason, cause)
	}
	return l.deliver(w, <-w.answer) // bounded: the group has its own limits
}

func (l *lane) deliver(w *waiter, a result) (Order, error) {
	r := recordOf(w.ctx)
	r.steps, r.shared = append(r.steps, step{l.name, a.lane}), a.shared
	r.traces.waited(w, l.name, a.lane, a.group)
	return a.order, a.err
}

func (l *lane) enter(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return errLaneClosed
	case len(l.waiting) >= laneDepth:
		return errLaneFull
	}
	l.waiting = append(l.waiting, w)
	if l.idling {
		l.idling = false
		select {
		case l.joined <- struct{}{}:
		default: // the last signal has not been read yet, or joined is nil
		}
	}
	if !l.running {
		l.running = true
		l.runs.Go(l.run)
	}
	return nil
}

// close waits until the lane has placed all of its orders and has released its lease. It takes
// no more.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true // or a goroutine might begin while the end of all is awaited
	l.mu.Unlock()
	l.runs.Wait()
}

// drop removes a waiter that has given up from the queue, and returns for what it has waited in
// vain: ErrBusy, or that a server is unavailable.
func (l *lane) drop(w *waiter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	return cmp.Or(l.down, locking.ErrBusy)
}

// ended notes with what error a group has ended as a whole; nil if it was placed. If it is not
// known whether it was, Postgres does not answer, and nothing of those behind was written.
func (l *lane) ended(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case errors.Is(err, locking.ErrUnavailable):
		l.down = locking.ErrUnavailable
	case errors.Is(err, stock.ErrUnavailable), errors.Is(err, ErrUnknown):
		l.down = stock.ErrUnavailable
	default:
		l.down = nil
	}
}

// run places groups until no order waits. It lives as long as it has waiters: each one's
// request waits for its answer, which is sent before run ends.
func (l *lane) run() {
	rested := true
	for {
		group := l.next(rested)
		switch {
		case group != nil:
			l.place(group)
			rested = false
		case rested:
			return
		default: // orders that arrive meanwhile are the next group
			rested = l.idle()
		}
	}
}

// next returns the next group, or nil if no order waits. The lane then ends if it is
// rested, that is if idle has returned true since the last group, and otherwise idles
// again: the order that ended idle early may have been withdrawn since.
func (l *lane) next(rested bool) []*waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idling = len(l.waiting) == 0 && !rested
	if len(l.waiting) == 0 {
		l.running = !rested
		l.waiting = nil // frees the memory of a rush
		return nil
	}
	return l.choose()
}

// choose takes the longest-waiting orders, up to the limit. Orders for busy SKUs, whose
// lease has to be given back first, are skipped, so that the others need not wait for it,
// unless the first order in the queue is one of them: then none is skipped.
func (l *lane) choose() []*waiter {
	var busy []string
	if l.busy != nil {
		busy = l.busy()
	}
	waits := func(w *waiter) bool {
		return slices.ContainsFunc(w.Lines, func(line Line) bool { return contains(busy, line.SKU) })
	}
	if waits(l.waiting[0]) {
		busy = nil
	}
	group, left := make([]*waiter, 0, min(len(l.waiting), l.limit)), l.waiting[:0]
	for _, w := range l.waiting {
		if len(group) < l.limit && !waits(w) {
			group = append(group, w)
		} else {
			left = append(left, w)
		}
	}
	clear(l.waiting[len(left):]) // drops the references
	l.waiting = left
	return group
}

// more takes from the front of the queue the orders that want only these SKUs, stopping at
// the first that wants another, to join a group of that size that is about to be placed.
func (l *lane) more(skus []string, size int) []*waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	room := min(len(l.waiting), max(0, l.limit-size))
	n := slices.IndexFunc(l.waiting[:room], func(w *waiter) bool {
		return slices.ContainsFunc(w.Lines, func(line Line) bool { return !slices.Contains(skus, line.SKU) })
	})
	if n < 0 {
		n = room
	}
	joining := slices.Clone(l.waiting[:n])
	l.waiting = slices.Delete(l.waiting, 0, n)
	return joining
}

func (l *lane) length() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}
