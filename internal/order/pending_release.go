package order

import (
	"context"
	"maps"
	"slices"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A pendingRelease is a lease that is being given back while its lane goes on: with
// orders for other SKUs, for which it takes the next lease, or with the answers.
type pendingRelease struct {
	service   *Service
	keys      []string
	lease     *locking.Lease         // nil: it is gone already
	levels    map[string]stock.Level // of its keys; nil: not all are known
	unwritten []stock.Level          // that Redis has to be told
	released  chan struct{}          // closed when others may have the lease
	done      chan struct{}          // closed at the end
}

// pendingReleases are those of a turn that may not be over, the latest last.
type pendingReleases []*pendingRelease

// startRelease begins to give the lease back and returns what is on its way back then, nil
// if there is nothing.
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
	go p.run(context.WithoutCancel(ctx)) // whoever ends the turn waits for it
	return p
}

// end gives the lease back, if there is one, and writes all levels.
func (t *turn) end(ctx context.Context) {
	t.startRelease(ctx)
	for _, p := range t.releasing {
		<-p.done
	}
	t.releasing = nil
}

// run gives the lease back. Whoever holds it next must find the levels that were
// left: they are told them if they wait for it already, which saves everybody who
// waits the time that it takes to write and to read them. For all others they are
// written before.
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

// mayHandOver reports whether others may have the lease before its levels are written.
// Who is told one may not come to use it, and leave the lease to somebody who is not:
// those see Redis' copy as it was. Where rows count their units themselves, or are
// claimed, that costs time, and where nothing but the lease keeps two from selling the
// same unit, it would sell one twice.
func (p *pendingRelease) mayHandOver() bool {
	for _, level := range p.levels {
		if level.Guard != stock.GuardPredicate && level.Guard != stock.GuardClaim {
			return false
		}
	}
	return p.levels != nil
}

// isDone reports whether it is over. What waits for that is bounded: the lease and
// the write-back have limits.
func (p *pendingRelease) isDone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// await waits until none of the keys is on its way back: who asks for one before would
// only queue up behind itself.
func (all pendingReleases) await(keys []string) {
	for _, p := range all {
		if slices.ContainsFunc(keys, func(key string) bool { return contains(p.keys, key) }) {
			<-p.done
		}
	}
}

// contains tells whether a key is among some that are sorted.
func contains(keys []string, key string) bool {
	_, found := slices.BinarySearch(keys, key)
	return found
}

// busy returns the keys that have to be given back before the lane can have them
// again, sorted: those of a lease that another group may still share, and of those on
// their way back.
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

// answerPatience is how long orders that are committed wait for their turn's end.
const answerPatience = 20 * time.Millisecond

// releaseBeforeAnswers ends a turn that has its lease, unless it goes on, and waits until others
// have the lease: answering takes the processor from that, and each who waits for it
// would wait for all the answers, too. It waits no longer than those answers may be
// late, if a server is slow.
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
