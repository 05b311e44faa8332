package locking

import (
	"context"
	"sync"
	"time"
)

// A pgPool keeps the sessions that nobody uses for those who come next. It is
// not the order service's pool: leases would starve it, and it them.
type pgPool struct {
	pg    *Postgres
	slots chan struct{} // one for each session that a lease has

	mu     sync.Mutex
	spares []*pgSession // the one used last is last
	closed bool
}

// get returns a session, and whether it is a new one. Whoever gets it gives it
// back, by put or drop.
func (o *pgPool) get(ctx context.Context) (s *pgSession, fresh bool, err error) {
	select {
	case o.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	if s = o.pop(); s != nil {
		return s, false, nil
	}
	if s, err = o.pg.connect(ctx); err != nil {
		<-o.slots
		return nil, false, err
	}
	return s, true, nil
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

// stale is when a spare is not used any more: well before the server ends it.
func (o *pgPool) stale() time.Time { return time.Now().Add(-o.pg.ttl / 2) }

// pop returns the spare that was used last, if it is not stale: nil.
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

// keep closes spares that are stale until the locker is closed, and then all.
func (o *pgPool) keep() {
	for pause(o.pg.crew.life, o.pg.ttl/4) {
		o.close(o.stale())
	}
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.close(time.Now())
}

// close closes spares that have not been used since.
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
