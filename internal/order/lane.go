package order

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"orderd/internal/locking"
)

// laneDepth is how many orders may wait in a lane. Whoever comes when it is full
// is told so at once: a queue that never empties serves everybody too late.
const laneDepth = 512

var errLaneFull = errors.New("too many orders are waiting already")

// A lane gathers the orders that wait while a group is being placed, and places
// them as the next group: whatever is waiting, up to a limit, and never waiting
// for more. It has a goroutine while it has orders.
type lane struct {
	name     string
	limit    int           // of a group
	patience time.Duration // for which an order waits
	place    func([]*waiter)
	busy     func() []string    // SKUs that the next group has to wait for, sorted; may be nil
	idle     func() (over bool) // called when nobody waits, until it is over or somebody does
	joined   chan struct{}      // of one: tells rest that somebody does; may be nil

	mu      sync.Mutex
	waiting []*waiter // first come first
	running bool
	idling  bool
	runs    sync.WaitGroup // while it is
}

// A waiter is an order in a lane.
type waiter struct {
	Request // its lines as merge leaves them
	ctx     context.Context
	arrived time.Time
	answer  chan result

	mu    sync.Mutex
	begun bool // its transaction has, or is about to: too late to leave
	left  bool // its caller has given up
}

// A result is what became of an order.
type result struct {
	order  Order
	lane   time.Duration // waited there
	shared string        // where the group's time went, as a record tells
	group  *groupSpan
	err    error
}

// submit places an order with the next group. If ctx or its patience ends before
// that group has its turn, the order is taken out and the error is
// locking.ErrBusy, as it is when too many wait.
func (l *lane) submit(ctx context.Context, r Request) (Order, error) {
	w := &waiter{Request: r, ctx: ctx, arrived: time.Now(), answer: make(chan result, 1)}
	if !l.enter(w) {
		return Order{}, errors.Join(locking.ErrBusy, errLaneFull)
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
		l.drop(w)
		recordOf(ctx).traces.waited(w, l.name, time.Since(w.arrived), nil)
		return Order{}, errors.Join(locking.ErrBusy, cause)
	}
	return l.deliver(w, <-w.answer) // which is bounded: the group has its own limits
}

func (l *lane) deliver(w *waiter, a result) (Order, error) {
	r := recordOf(w.ctx)
	r.steps, r.shared = append(r.steps, step{l.name, a.lane}), a.shared
	r.traces.waited(w, l.name, a.lane, a.group)
	return a.order, a.err
}

// leave gives up, unless it is too late for that.
func (w *waiter) leave() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = !w.begun
	return w.left
}

// begin makes it too late to give up, unless the caller has done so.
func (w *waiter) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = !w.left
	return w.begun
}

func (l *lane) enter(w *waiter) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) >= laneDepth {
		return false
	}
	l.waiting = append(l.waiting, w)
	if l.idling {
		l.idling = false
		select {
		case l.joined <- struct{}{}:
		default: // it has not looked since it was told last, or does not ask
		}
	}
	if !l.running {
		l.running = true
		l.runs.Go(l.run)
	}
	return true
}

// drop makes room where a waiter who has left still stands.
func (l *lane) drop(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, w); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
}

// run places groups until nobody waits. Its waiters keep it alive: each is
// waited for by its request, and is answered before run ends.
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
		default: // whoever comes meanwhile is the next group
			rested = l.idle()
		}
	}
}

// next returns the next group, or none if nobody waits. The lane then ends if it
// has rested, and not before: who was seen to wait may have left since.
func (l *lane) next(rested bool) []*waiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.idling = len(l.waiting) == 0 && !rested
	if len(l.waiting) == 0 {
		l.running = !rested
		l.waiting = nil // not to keep the memory of a rush
		return nil
	}
	return l.choose()
}

// choose takes the next group out of those who wait: the first of them, up to the
// limit. While some SKUs are busy those who want them are passed over, so that the
// others need not wait for it, unless one of them is the first of all, who is never
// passed over.
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
	clear(l.waiting[len(left):]) // not to keep who has left
	l.waiting = left
	return group
}

// more returns who waits and wants nothing but these SKUs, first come first, up
// to the first who does: to join a group of so many that is about to be placed.
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
