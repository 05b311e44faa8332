package order

import (
	"context"
	"maps"
	"slices"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// turnLimit is how long a lane keeps a lease for consecutive groups. Normally it learns at
// once that others wait for the lease; the limit is for when it does not.
const turnLimit = 100 * time.Millisecond

// A turn is a lane's possession of a lease. It outlasts a group while more orders for the
// same SKUs wait here and nobody else is known to want them: releasing and acquiring the
// lease again, and reading a level that nobody else has changed, would take longer than
// some groups do. It is for one goroutine alone: its lane's, or its part's.
type turn struct {
	service *Service
	lane    *lane
	part    bool // places a part of a group that placeInParts has split

	lease *locking.Lease // nil: none
	keys  []string
	again bool // the previous lease was for the same keys
	since time.Time
	// levels are those that the last group has left, or nil unless all of them are known.
	levels map[string]stock.Level
	// handedOver are the levels that the previous holder handed over with the lease.
	handedOver map[string]stock.Level
	// unwritten are levels that Redis may not have yet: those that this turn's groups have left, and
	// those handed over with the lease, which the previous holder may still be writing. They are
	// written when the lease is released, and no earlier: until then nobody else may sell from them,
	// and this turn knows them.
	unwritten map[string]stock.Level

	releasing pendingReleases // earlier leases, which may not be released yet
}

// take makes sure that the turn has a lease on the keys: the current one, or a new one, for
// which it waited.
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

// goesOn reports whether the lease may be kept for another group.
func (t *turn) goesOn() bool {
	return t.lease.Wanted() != nil && !isWanted(t.lease) &&
		time.Since(t.since) <= turnLimit && t.lease.Check(t.service.LockMargin) == nil
}

// linger is how long a lane without orders keeps its lease while nobody else wants it:
// clients that have been answered often order again at once.
const linger = 2 * time.Millisecond

// idle releases the lease: at once if it cannot be kept or the previous one was for other
// SKUs, else when no order has arrived for a while, or somebody else wants it. It returns
// false, and keeps the lease, if an order arrives before that.
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

// isWanted reports whether somebody else is known to wait for the lease.
func isWanted(lease *locking.Lease) bool {
	select {
	case <-lease.Wanted():
		return true
	default:
		return false
	}
}

// look returns the levels of the lease's keys. A level that was handed over is trusted as
// much as a cached one, and no more.
func (t *turn) look(ctx context.Context) (map[string]stock.Level, error) {
	if t.levels != nil {
		return t.levels, nil
	}
	if t.handedOver != nil {
		return t.handedOver, nil
	}
	levels, err := t.service.Cache.Levels(ctx, t.keys)
	// Redis lags behind what this turn has sold itself: that is written when the lease is released.
	for sku, own := range t.unwritten {
		if cached, ok := levels[sku]; ok && cached.Version < own.Version {
			levels[sku] = own
		}
	}
	return levels, err
}

// learn keeps the levels that a committed group has left. The level of a SKU that it did
// not sell is known only if Postgres has confirmed it, for this group or an earlier one.
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
