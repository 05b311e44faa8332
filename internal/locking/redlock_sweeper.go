package locking

import (
	"context"
	"sync"
	"time"
)

// A redlockDoubt is a lock that a master may have given to an owner who does
// not want it, or may yet give.
type redlockDoubt struct{ lock, owner string }

// A redlockSweeper ends the doubts about one master in the background.
type redlockSweeper struct {
	node *redlockNode
	more chan struct{} // there are new ones

	mu      sync.Mutex
	doubts  map[redlockDoubt]*redlockFate
	running bool
}

type redlockFate struct {
	due  time.Time // when the master is asked
	over time.Time // when the lock is gone by itself
	last bool      // the master has answered once: there was nothing
}

func (w *redlockSweeper) init(n *redlockNode) {
	w.node = n
	w.more = make(chan struct{}, 1)
	w.doubts = make(map[redlockDoubt]*redlockFate)
}

// forget has a lock deleted, unless it is another's. It is seen to until the
// master has answered or the lock is gone by itself. The caller is one of the workers.
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

// sweep asks the master about its doubts until there are none.
func (w *redlockSweeper) sweep() {
	r := w.node.redlock
	for wait := r.call / 8; ; {
		batch := w.due()
		if len(batch) > 0 {
			if w.settle(batch, 2*r.call) == nil {
				wait = r.call / 8
			} else {
				wait = min(2*wait, r.call)
			}
		}
		next, done := w.next(wait, r.workers.life.Err() != nil)
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

// due returns doubts about which the master is to be asked now.
func (w *redlockSweeper) due() (batch []redlockDoubt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for doubt, fate := range w.doubts {
		if len(batch) == sweepBatch {
			break
		}
		if !fate.due.After(time.Now()) || w.node.redlock.workers.life.Err() != nil {
			batch = append(batch, doubt)
		}
	}
	return batch
}

// settle asks the master, and forgets the locks that it has deleted. A master
// that hung may yet come to a request for the others: it reads its connections
// in any order. So they are asked for once more, later.
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

// next returns how long to wait, at least the given time if the master does not
// answer, and whether there is nothing left to do.
func (w *redlockSweeper) next(wait time.Duration, closing bool) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := time.Now().Add(w.node.redlock.ttl)
	for doubt, fate := range w.doubts {
		switch {
		case closing || time.Now().After(fate.over):
			delete(w.doubts, doubt)
		case fate.due.Before(first):
			first = fate.due
		}
	}
	w.running = len(w.doubts) > 0
	return max(time.Until(first), wait), !w.running
}
