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
	again bool // the lease before was for the same keys
	since time.Time
	// levels are those that the last group has left, if all is known of them.
	levels map[string]stock.Level
	// handedOver are the levels that came with the lease from the holder before.
	handedOver map[string]stock.Level
	// unwritten are levels that Redis may not have yet: what this turn's groups have left,
	// and what was handed over with the lease, which the holder before may still be
	// writing. They are written when the lease is given back, and no earlier: until then
	// nobody else may sell from them, and this turn knows them.
	unwritten map[string]stock.Level

	releasing pendingReleases // leases before, which may still be on their way back
}

// take makes sure that there is a lease on the keys: the one that is there, or
// a new one, which was waited for.
func (t *turn) take(ctx context.Context, keys []string, patience time.Duration) (waited bool, err error) {
	ctx, lock := begin(ctx, "lock")
	defer lock.end()
	if t.lease != nil && slices.Equal(t.keys, keys) && t.goesOn() {
		return false, nil
	}
	t.startRelease(ctx)
	t.releasing.await(keys)
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	t.keys, t.again, t.since = keys, slices.Equal(t.keys, keys), time.Now()
	t.lease, err = t.service.Locks.Acquire(ctx, keys...)
	if err == nil {
		t.handedOver = decodeLevels(keys, t.lease.Note)
		t.unwritten = maps.Clone(t.handedOver)
	}
	return true, err
}

// goesOn tells whether the lease may be kept for another group.
func (t *turn) goesOn() bool {
	return t.lease.Wanted() != nil && !isWanted(t.lease) &&
		time.Since(t.since) <= turnLimit && t.lease.Check(t.service.LockMargin) == nil
}

// linger is how long a lane keeps its lease for orders that may come, while nobody
// else wants it: clients who have been answered often come again at once.
const linger = 2 * time.Millisecond

// idle gives the lease back: at once where orders are for one thing after another,
// else when nobody has come for a while, or somebody else wants it. It reports false
// if somebody has come before that.
func (t *turn) idle() (over bool) {
	if t.lease != nil && t.again && t.goesOn() {
		patience := time.NewTimer(linger)
		defer patience.Stop()
		select {
		case <-t.lane.joined:
			return false
		case <-t.lease.Wanted():
		case <-patience.C:
		}
	}
	t.end(context.Background())
	return true
}

// isWanted tells whether somebody else is known to wait for the lease.
func isWanted(lease *locking.Lease) bool {
	select {
	case <-lease.Wanted():
		return true
	default:
		return false
	}
}

// look returns the levels of the lease's keys. A level that the holder before has
// told is as good as Redis' copy, and no better.
func (t *turn) look(ctx context.Context) (map[string]stock.Level, error) {
	if t.levels != nil {
		return t.levels, nil
	}
	if t.handedOver != nil {
		return t.handedOver, nil
	}
	levels, err := t.service.Cache.Levels(ctx, t.keys)
	// Redis lags behind what this turn has sold itself: that is written when the lease is given back.
	for sku, own := range t.unwritten {
		if cached, ok := levels[sku]; ok && cached.Version < own.Version {
			levels[sku] = own
		}
	}
	return levels, err
}

// learn keeps what a group that was committed has left. What it did not sell is
// known only if Postgres has said so, in this group or in one before.
func (t *turn) learn(sold []Order, v *view) {
	after := leftBy(sold, v.levels)
	known := t.levels != nil
	t.levels, t.handedOver = nil, nil
	for _, level := range after {
		v.levels[level.SKU], v.sure[level.SKU] = level, true
	}
	if known || len(v.sure) == len(t.keys) {
		t.levels = v.levels
	}
	t.service.Shortages.Invalidate(after...)
	if t.unwritten == nil {
		t.unwritten = map[string]stock.Level{}
	}
	for _, level := range after {
		t.unwritten[level.SKU] = level
	}
}
