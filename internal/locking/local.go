package locking

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// Local locks keys within one process, first come, first served. It does not exclude other
// processes, nor other Locals.
type Local struct {
	life  context.Context // ends with Close
	close context.CancelFunc

	mu    sync.Mutex
	turns map[string]*localTurn // keys that are held
}

// A localTurn is a key that is held, and its waiters.
type localTurn struct {
	since   time.Time
	demand  *demand   // the holder's
	waiters list.List // *localWaiter
}

// A localWaiter waits for a key.
type localWaiter struct {
	turn   chan struct{} // closed when the key is granted
	demand *demand
}

var (
	_ Locker    = (*Local)(nil)
	_ Inspector = (*Local)(nil)
)

// NewLocal returns a locker for the callers of this process.
func NewLocal() *Local {
	life, stop := context.WithCancel(context.Background())
	return &Local{life: life, close: stop, turns: make(map[string]*localTurn)}
}

// Acquire implements Locker. The lease lasts until it is released.
func (l *Local) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	keys, err := sortedKeys(keys)
	if err != nil {
		return nil, err
	}
	ctx, stop := endedBy(ctx, l.life, errClosed)
	defer stop()
	d := newDemand()
	if !l.enterAll(ctx, keys, d) {
		return nil, waitError(ctx, true)
	}
	lease := unboundedLease(func() { l.leaveAll(keys) }, keys)
	lease.demand = d
	return lease, nil
}

// Close ends every wait, and every later Acquire fails. Leases last until they are released.
func (l *Local) Close() error {
	l.close()
	return nil
}

// enterAll acquires the keys one after the other, in the order given. It reports false, and
// holds none of them, if ctx ends first.
func (l *Local) enterAll(ctx context.Context, keys []string, d *demand) bool {
	for i, key := range keys {
		if !l.enter(ctx, key, d) {
			l.leaveAll(keys[:i])
			return false
		}
	}
	return true
}

func (l *Local) leaveAll(keys []string) {
	for _, key := range keys {
		l.leave(key)
	}
}

func (l *Local) enter(ctx context.Context, key string, d *demand) bool {
	if ctx.Err() != nil {
		return false
	}
	l.mu.Lock()
	held := l.turns[key]
	if held == nil {
		l.turns[key] = &localTurn{since: time.Now(), demand: d}
		l.mu.Unlock()
		return true
	}
	held.demand.tell()
	turn := make(chan struct{})
	place := held.waiters.PushBack(&localWaiter{turn, d})
	l.mu.Unlock()

	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	l.mu.Lock()
	select {
	case <-turn:
		// The lock was granted as ctx ended. It is passed on: the caller has been cancelled.
		l.mu.Unlock()
		l.leave(key)
	default:
		held.waiters.Remove(place)
		l.mu.Unlock()
	}
	return false
}

// leave hands the key over to the waiter that has waited longest, and forgets a key that has
// none.
func (l *Local) leave(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := l.turns[key]
	first := turn.waiters.Front()
	if first == nil {
		delete(l.turns, key)
		return
	}
	next := turn.waiters.Remove(first).(*localWaiter)
	turn.since, turn.demand = time.Now(), next.demand
	if turn.waiters.Len() > 0 {
		next.demand.tell()
	}
	close(next.turn)
}

// Inspect implements Inspector. It sees only this process.
func (l *Local) Inspect(_ context.Context, key string) (Status, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	turn := l.turns[key]
	if turn == nil {
		return Status{}, nil
	}
	return Status{Owner: "this process", Since: turn.since, Waiters: turn.waiters.Len()}, nil
}

// An endless keeper serves leases that end only by their release.
type endless struct{ leave func() }

func (endless) renew(context.Context, []grant) (time.Duration, error) { return 0, nil }

func (e endless) release(context.Context, []grant, bool) error {
	e.leave()
	return nil
}

// unboundedLease returns a lease on keys that lasts until its release, which
// calls leave. Its tokens are 0: nothing orders the leases of two processes.
func unboundedLease(leave func(), keys []string) *Lease {
	l := newLease(context.Background(), endless{leave}, 0)
	for _, key := range keys {
		l.add(grant{key: key})
	}
	return l
}
