package order

import (
	"context"
	"maps"
	"slices"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A parting is a lease that is being given back while its lane goes on: with
// orders for other SKUs, for which it takes the next lease, or with the answers.
// Nil: there is none.
type parting struct {
	service   *Service
	keys      []string
	lease     *locking.Lease         // nil: it is gone already
	levels    map[string]stock.Level // of its keys; nil: not all are known
	unwritten []stock.Level          // that Redis has to be told
	given     chan struct{}          // closed when others may have the lease
	over      chan struct{}          // closed at the end
}

// depart begins to give the lease back, if there is one, and returns what is on its
// way back then: that lease, or the one before it. There is one at a time: it waits
// for the end of the one before.
func (t *turn) depart(ctx context.Context) *parting {
	if t.lease == nil && len(t.unwritten) == 0 {
		return t.leaving
	}
	t.leaving.wait()
	p := &parting{
		service: t.service, keys: t.keys, lease: t.lease, levels: t.levels, unwritten: slices.Collect(maps.Values(t.unwritten)),
		given: make(chan struct{}), over: make(chan struct{}),
	}
	t.lease, t.levels, t.told, t.unwritten, t.leaving = nil, nil, nil, nil, p
	go p.run(context.WithoutCancel(ctx)) // whoever ends the turn waits for it
	return p
}

// end gives the lease back, if there is one, and writes all levels.
func (t *turn) end(ctx context.Context) {
	t.depart(ctx).wait()
	t.leaving = nil
}

// run gives the lease back. Whoever holds it next must find the levels that were
// left: they are told them if they wait for it already, which saves everybody who
// waits the time that it takes to write and to read them. For all others they are
// written before.
func (p *parting) run(ctx context.Context) {
	defer close(p.over)
	if p.lease != nil && p.levels != nil && isWanted(p.lease) && p.lease.PassOn(ctx, notesOf(p.levels)) {
		close(p.given)
		p.write(ctx)
		return
	}
	p.write(ctx)
	if p.lease != nil {
		p.service.release(ctx, p.lease)
	}
	close(p.given)
}

func (p *parting) write(ctx context.Context) {
	if len(p.unwritten) > 0 {
		p.service.writeBack(ctx, p.unwritten)
	}
}

// wait waits for the end, which the lease and the write-back have limits for.
func (p *parting) wait() {
	if p != nil {
		<-p.over
	}
}

// has tells whether one of the keys is not back yet, or may not be: who asks for it
// before would only queue up behind itself.
func (p *parting) has(keys []string) bool {
	return p != nil && slices.ContainsFunc(keys, func(key string) bool { return contains(p.keys, key) })
}

// contains tells whether a key is among some that are sorted.
func contains(keys []string, key string) bool {
	_, found := slices.BinarySearch(keys, key)
	return found
}

// busy returns the keys that have to be given back before the lane can have them
// again, sorted: those of a lease that another group may still share, or of one on
// its way back.
func (t *turn) busy() []string {
	switch {
	case t.lease != nil:
		return t.keys
	case t.leaving == nil:
		return nil
	}
	select {
	case <-t.leaving.over:
		return nil
	default:
		return t.leaving.keys
	}
}

// answerPatience is how long orders that are committed wait for their turn's end.
const answerPatience = 20 * time.Millisecond

// giveWay ends the turn unless it goes on, and waits until others have the lease:
// answering takes the processor from that, and each who waits for it would wait for
// all the answers, too. It waits no longer than those answers may be late, if a
// server is slow.
func (t *turn) giveWay(ctx context.Context) {
	if t.goesOn() {
		return
	}
	patience := time.NewTimer(answerPatience)
	defer patience.Stop()
	select {
	case <-t.depart(ctx).given:
	case <-patience.C:
	}
}
