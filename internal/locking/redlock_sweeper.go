package locking

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A redlockDoubt is a lock that a master may have granted, or may yet grant, to an owner that
// does not want it.
type redlockDoubt struct{ lock, owner string }

// A redlockSweeper settles the doubts about one master in the background.
type redlockSweeper struct {
	node *redlockNode
	more chan struct{} // signals new doubts

	mu      sync.Mutex
	doubts  map[redlockDoubt]*redlockFate
	running bool
}

type redlockFate struct {
	due  time.Time // when to ask the master next
	over time.Time // when the lock has expired in any case
	last bool      // the master has answered once that there was no such lock
}

func (w *redlockSweeper) init(n *redlockNode) {
	w.node = n
	w.more = make(chan struct{}, 1)
	w.doubts = make(map[redlockDoubt]*redlockFate)
}

// forget has a lock deleted in the background if it is the owner's. It retries until the
// master has answered or the lock has expired.
func (w *redlockSweeper) forget(lock, owner string) {
	r := w.node.redlock
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.doubts[redlockDoubt{lock, owner}] = &redlockFate{due: now, over: now.Add(r.ttl + r.call)}
	if !w.running {
		w.running = r.workers.run(w.sweep)
		return
	}
	select {
	case w.more <- struct{}{}:
	default:
	}
}

// sweepBatch keeps one request short.
const sweepBatch = 100

// sweep settles the doubts about its master until there are none. When the locker is closed it
// tries once more to settle all.
func (w *redlockSweeper) sweep() {
	r := w.node.redlock
	for wait := r.call / 8; ; {
		if r.workers.life.Err() != nil {
			w.settleAll()
			return
		}
		batch := w.due()
		if len(batch) > 0 {
			if w.settle(batch, 2*r.call) == nil {
				wait = r.call / 8
			} else {
				wait = min(2*wait, r.call)
			}
		}
		next, done := w.next(wait)
		if done {
			return
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-w.more:
		case <-r.workers.life.Done():
		}
		timer.Stop()
	}
}

// due returns the doubts about which to ask the master now, at most sweepBatch.
func (w *redlockSweeper) due() (batch []redlockDoubt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for doubt, fate := range w.doubts {
		if len(batch) == sweepBatch {
			break
		}
		if !fate.due.After(time.Now()) {
			batch = append(batch, doubt)
		}
	}
	return batch
}

// settleAll asks the master about every doubt, due or not, as long as it answers, and forgets
// them all.
func (w *redlockSweeper) settleAll() {
	w.mu.Lock()
	all := slices.Collect(maps.Keys(w.doubts))
	w.mu.Unlock()
	for batch := range slices.Chunk(all, sweepBatch) {
		if w.settle(batch, 0) != nil {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.doubts)
	w.running = false
}

// settle has the master delete locks, and forgets those that it has deleted. For the others a
// request may still be under way: a master that hung reads its connections in any order. So
// it is asked about them once more, the given time later.
func (w *redlockSweeper) settle(batch []redlockDoubt, later time.Duration) error {
	locks, owners := make([]string, len(batch)), make([]any, len(batch))
	for i, doubt := range batch {
		locks[i], owners[i] = doubt.lock, doubt.owner
	}
	mine, err := w.node.run(context.Background(), redlockRelease, locks, owners...).Int64Slice()
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, doubt := range batch {
		fate := w.doubts[doubt]
		if mine[i] > 0 || fate.last {
			delete(w.doubts, doubt)
			continue
		}
		fate.last, fate.due = true, time.Now().Add(later)
	}
	return nil
}

// next returns how long to wait, at least wait, and whether there is nothing left to do. It
// drops the doubts whose time is over.
func (w *redlockSweeper) next(wait time.Duration) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := time.Now().Add(w.node.redlock.ttl)
	for doubt, fate := range w.doubts {
		switch {
		case time.Now().After(fate.over):
			delete(w.doubts, doubt)
		case fate.due.Before(first):
			first = fate.due
		}
	}
	w.running = len(w.doubts) > 0
	return max(time.Until(first), wait), !w.running
}
