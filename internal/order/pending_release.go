package order

import (
	"context"
	"maps"
	"slices"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A pendingRelease is a lease that is being released in the background, while its lane goes
// on: with orders for other SKUs, for which it acquires the next lease, or with the
// answers.
type pendingRelease struct {
	service   *Service
	keys      []string
	lease     *locking.Lease         // nil: only the levels are left to write
	levels    map[string]stock.Level // of its keys; nil: not all are known
	unwritten []stock.Level          // to be written to Redis
	released  chan struct{}          // closed when others can acquire the lease
	done      chan struct{}          // closed when run returns
}

// pendingReleases are those of a turn that may not be done yet, the latest last.
type pendingReleases []*pendingRelease

// startRelease starts to release the lease and write the levels back in the background, and
// returns that pending release, or nil if there is nothing to do.
func (t *turn) startRelease(ctx context.Context) *pendingRelease {
	t.releasing = slices.DeleteFunc(t.releasing, (*pendingRelease).isDone)
	if t.lease == nil && len(t.unwritten) == 0 {
		return nil
	}
	p := &pendingRelease{
		service: t.service, keys: t.keys, lease: t.lease, levels: t.levels, unwritten: slices.Collect(maps.Values(t.unwritten)),
		released: make(chan struct{}), done: make(chan struct{}),
	}
	t.lease, t.levels, t.handedOver, t.unwritten = nil, nil, nil, nil
	t.releasing = append(t.releasing, p)
	go p.run(context.WithoutCancel(ctx)) // turn.end waits for it
	return p
}

// end releases the lease, if there is one, writes all levels back, and waits for all
// pending releases.
func (t *turn) end(ctx context.Context) {
	t.startRelease(ctx)
	for _, p := range t.releasing {
		<-p.done
	}
	t.releasing = nil
}

// run releases the lease. The next holder must find the current levels. If a waiter is
// queued and mayHandOver allows it, the levels are handed over with the lease and written
// to Redis afterwards, which spares every waiter the time of the write and of the read.
// Otherwise they are written before the release.
func (p *pendingRelease) run(ctx context.Context) {
	defer close(p.done)
	if p.lease != nil && p.mayHandOver() && isWanted(p.lease) && p.lease.PassOn(ctx, encodeLevels(p.levels)) {
		close(p.released)
		p.write(ctx)
		return
	}
	p.write(ctx)
	if p.lease != nil {
		p.service.release(ctx, p.lease)
	}
	close(p.released)
}

func (p *pendingRelease) write(ctx context.Context) {
	if len(p.unwritten) > 0 {
		p.service.writeBack(ctx, p.unwritten)
	}
}

// mayHandOver reports whether the lease may be handed over before its levels are written.
// The waiter may give up without using the levels; the next one then reads the old ones
// from Redis. With the guards predicate and claim that costs only time. With the others,
// where only the lease keeps two orders from taking the same unit, it would sell one twice.
func (p *pendingRelease) mayHandOver() bool {
	for _, level := range p.levels {
		if level.Guard != stock.GuardPredicate && level.Guard != stock.GuardClaim {
			return false
		}
	}
	return p.levels != nil
}

// isDone reports whether the release is done. Waiting for that is bounded: the release and
// the write-back have time limits.
func (p *pendingRelease) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await waits until none of the keys is in a pending release: to acquire one before would
// only mean queueing behind this replica's own lease.
func (all pendingReleases) await(keys []string) {
	for _, p := range all {
		if slices.ContainsFunc(keys, func(key string) bool { return contains(p.keys, key) }) {
			<-p.done
		}
	}
}

// contains reports whether key is among keys, which are sorted.
func contains(keys []string, key string) bool {
	_, found := slices.BinarySearch(keys, key)
	return found
}

// busy returns, sorted, the keys that have to be released before the lane can acquire them
// again: those of the turn's lease, which another group may still share, and of its pending
// releases.
func (t *turn) busy() []string {
	var keys []string
	if t.lease != nil {
		keys = t.keys
	}
	for _, p := range t.releasing {
		if !p.isDone() {
			keys = append(slices.Clip(keys), p.keys...)
			slices.Sort(keys)
		}
	}
	return keys
}

// answerPatience is how long committed orders wait for their turn's release before they are
// answered.
const answerPatience = 20 * time.Millisecond

// releaseBeforeAnswers releases the turn's lease before the orders are answered, unless the
// turn goes on: answering takes CPU that the hand-over needs, and every waiter for the
// lease would wait for all the answers, too. It waits at most answerPatience, so that a
// slow server delays the answers no longer.
func (t *turn) releaseBeforeAnswers(ctx context.Context) {
	if t.goesOn() {
		return
	}
	patience := time.NewTimer(answerPatience)
	defer patience.Stop()
	select {
	case <-t.startRelease(ctx).released:
	case <-patience.C:
	}
}
