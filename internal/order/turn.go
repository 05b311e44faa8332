package order

import (
	"context"
	"maps"
	"slices"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// turnLimit is how long a lane keeps a lease for one group after the other.
// Others who want it are heard of at once; the limit is for when they are not.
const turnLimit = 100 * time.Millisecond

// A turn is a lane's lease. It outlasts a group while more orders for the same
// SKUs wait here and nobody else is known to want them: taking and giving back
// the lease, and looking at a level that nobody else has changed, would take
// longer than some groups do. Its lane's goroutine alone may use it.
type turn struct {
	service *Service
	lane    *lane
	part    bool // of a group that was taken apart

	lease *locking.Lease // nil: none
	keys  []string
	since time.Time
	// levels are those that the last group has left, if all is known of them.
	levels map[string]stock.Level
	// unwritten are levels that Redis has not been told. It is before the lease is
	// given back, so that the next holder reads them, and no earlier: nobody asks
	// for them until then.
	unwritten map[string]stock.Level
}

// take makes sure that there is a lease on the keys: the one that is there, or
// a new one, which was waited for.
func (t *turn) take(ctx context.Context, keys []string, patience time.Duration) (waited bool, err error) {
	ctx, lock := begin(ctx, "lock")
	defer lock.end()
	if t.lease != nil && slices.Equal(t.keys, keys) && t.goesOn() {
		return false, nil
	}
	t.end(ctx)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t.keys, t.since = keys, time.Now()
	t.lease, err = t.service.Locks.Acquire(ctx, keys...)
	return true, err
}

// goesOn tells whether the lease may be kept for another group.
func (t *turn) goesOn() bool {
	wanted := t.lease.Wanted()
	if wanted == nil || time.Since(t.since) > turnLimit || t.lease.Check(t.service.LockMargin) != nil {
		return false
	}
	select {
	case <-wanted:
		return false
	default:
		return true
	}
}

// end gives the lease back, if there is one, once all levels are written.
func (t *turn) end(ctx context.Context) {
	if len(t.unwritten) > 0 {
		t.service.writeBack(ctx, slices.Collect(maps.Values(t.unwritten)))
		t.unwritten = nil
	}
	if t.lease != nil {
		t.service.release(ctx, t.lease)
	}
	t.lease, t.levels = nil, nil
}

// answerPatience is how long orders that are committed wait for their turn's end.
const answerPatience = 20 * time.Millisecond

// giveWay ends the turn unless it goes on, and waits for that: answering takes the
// processor from it, and each who waits for the lease would wait for all the
// answers, too. It waits no longer than those answers may be late, if a server is
// slow. What it returns closes at the end.
func (t *turn) giveWay(ctx context.Context) <-chan struct{} {
	over := make(chan struct{})
	if t.goesOn() {
		close(over)
		return over
	}
	go func() {
		defer close(over)
		t.end(ctx)
	}()
	patience := time.NewTimer(answerPatience)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
	}
	return over
}

// look returns the levels of the lease's keys.
func (t *turn) look(ctx context.Context) (map[string]stock.Level, error) {
	if t.levels != nil {
		return t.levels, nil
	}
	return t.service.Cache.Levels(ctx, t.keys)
}

// learn keeps what a group that was committed has left. The levels before it are
// what the turn has looked at.
func (t *turn) learn(sold []Order, before map[string]stock.Level) {
	after := leftBy(sold, before)
	t.levels = nil
	if len(before) == len(t.keys) { // else one is unknown, and may not be any more
		t.levels = before
		for _, level := range after {
			t.levels[level.SKU] = level
		}
	}
	t.service.Truth.Learn(after...)
	if t.unwritten == nil {
		t.unwritten = map[string]stock.Level{}
	}
	for _, level := range after {
		t.unwritten[level.SKU] = level
	}
}
