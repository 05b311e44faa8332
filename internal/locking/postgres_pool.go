package locking

import (
	"context"
	"sync"
	"time"
)

// A pgPool keeps idle sessions for later leases. It is not the order service's pool: leases
// would starve that, and it them.
type pgPool struct {
	pg    *Postgres
	slots chan struct{} // one for each session that a lease has

	mu     sync.Mutex
	spares []*pgSession // the most recently used one is last
	closed bool
}

// get returns a session, and whether it is a new one. The caller must give it back, by put,
// drop or pgHolder.retire.
func (o *pgPool) get(ctx context.Context) (s *pgSession, fresh bool, err error) {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if s = o.pop(); s != nil {
		return s, false, nil
	}
	s, err = o.connect(ctx)
	return s, true, err
}

// connect opens a session for a caller that has a slot. If ctx ends before it is open, it
// becomes a spare: the next callers are likely to be in as much of a hurry, and whether the
// server answers is to be known in any case.
func (o *pgPool) connect(ctx context.Context) (*pgSession, error) {
	type opened struct {
		s   *pgSession
		err error
	}
	answer := make(chan opened)
	// The caller has joined the workers, so run does not fail.
	o.pg.workers.run(func() {
		s, err := o.pg.connect(context.WithoutCancel(ctx))
		if err != nil {
			<-o.slots
		}
		select {
		case answer <- opened{s, err}:
		case <-ctx.Done():
			if err == nil {
				o.put(s)
			}
		}
	})
	select {
	case a := <-answer:
		return a.s, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// put takes back a session that holds nothing.
func (o *pgPool) put(s *pgSession) {
	o.keepSpare(s)
	<-o.slots
}

// drop takes back a session that may still hold something.
func (o *pgPool) drop(s *pgSession, err error) {
	o.pg.bury(s, err)
	<-o.slots
}

func (o *pgPool) keepSpare(s *pgSession) {
	o.mu.Lock()
	closed := o.closed
	if !closed {
		s.spare = time.Now()
		o.spares = append(o.spares, s)
	}
	o.mu.Unlock()
	if closed {
		o.pg.discard(s)
	}
}

// stale returns a cutoff: spares last used before it are not used any more, well before the
// server ends them.
func (o *pgPool) stale() time.Time { return time.Now().Add(-o.pg.ttl / 2) }

// pop returns the most recently used spare, or nil if there is none that is not stale.
func (o *pgPool) pop() *pgSession {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := len(o.spares) - 1
	if n < 0 || o.spares[n].spare.Before(o.stale()) {
		return nil
	}
	s := o.spares[n]
	o.spares = o.spares[:n]
	return s
}

// keep closes stale spares until the locker is closed, and then all of them.
func (o *pgPool) keep() {
	for pause(o.pg.workers.life, o.pg.ttl/4) {
		o.close(o.stale())
	}
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.close(time.Now())
}

// close closes the spares that have not been used since then.
func (o *pgPool) close(since time.Time) {
	o.mu.Lock()
	n := 0
	for n < len(o.spares) && !o.spares[n].spare.After(since) {
		n++
	}
	old := o.spares[:n:n]
	o.spares = o.spares[n:]
	o.mu.Unlock()
	for _, s := range old {
		o.pg.discard(s)
	}
}
