package locking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// A pgHolder is the keeper of one lease in PostgreSQL.
type pgHolder struct {
	pg    *Postgres
	lease *Lease
	s     *pgSession // nil when it has been given back

	mu       sync.Mutex
	heard    time.Time // when the latest request that was answered was sent
	wish     pgCommand
	nudge    context.CancelFunc // has the attendant look at the wish
	ponged   chan struct{}      // closed with the next answer to the attendant
	attended chan struct{}      // closed when the attendant has returned; nil before it starts

	kill   func()      // closes the connection under the attendant
	gaveUp atomic.Bool // the release stopped waiting for the attendant
}

var _ keeper = (*pgHolder)(nil)

// A pgAcquireReply is the answer to one request for locks.
type pgAcquireReply struct {
	sent  time.Time
	n     int   // how many were taken, from the first on
	token int64 // 0 unless all were taken
	err   error
}

// take puts the keys into the lease as the server grants them. If it returns
// an error it has given them back.
func (h *pgHolder) take(ctx context.Context, keys []string) error {
	ctx, stop := h.lease.bound(ctx)
	defer stop()
	fresh, err := h.open(ctx)
	if err != nil {
		return err
	}
	wait := false
	for {
		a, answered := h.ask(ctx, keys, wait)
		switch {
		case !answered:
			return h.waitError(ctx, wait)
		case a.err == nil:
			if wait {
				h.pg.count(wakeTurn)
			}
			h.grant(keys[:a.n], a)
			if keys = keys[a.n:]; len(keys) == 0 {
				return h.whole(a.token)
			}
			wait = true
		case pgWaited(a.err):
			// Even if the lock was granted at the last moment, it can be asked for again: the
			// session then holds it twice.
			h.pg.count(wakeTimer)
			wait = true
		case pgDropped(a.err) && !fresh && !h.lease.holdsAny():
			// A server that was restarted leaves dead connections behind.
			h.drop(a.err)
			if fresh, err = h.open(ctx); err != nil {
				return err
			}
			wait = false
		default:
			return h.fail(a.err)
		}
	}
}

// waitError returns the error of an acquire whose context has ended.
func (h *pgHolder) waitError(ctx context.Context, answered bool) error {
	return waitError(ctx, answered || h.pg.answers.Load())
}

// open gets a session.
func (h *pgHolder) open(ctx context.Context) (fresh bool, err error) {
	h.s, fresh, err = h.pg.pool.get(ctx)
	switch {
	case err == nil:
		return fresh, nil
	case ctx.Err() != nil:
		return false, h.waitError(ctx, false)
	default:
		return false, errors.Join(ErrUnavailable, err)
	}
}

func (h *pgHolder) grant(keys []string, a pgAcquireReply) {
	until := a.sent.Add(trusted(h.pg.ttl))
	for _, key := range keys {
		h.lease.add(grant{key: key, until: until})
	}
}

// whole completes the lease. The token is that of all its keys, as it was minted when all
// were held.
func (h *pgHolder) whole(token int64) error {
	l := h.lease
	l.mu.Lock()
	for i := range l.held {
		l.held[i].token = token
	}
	l.mu.Unlock()
	h.attend()
	return l.Check(0)
}

// fail gives everything back after an error that ends the acquire.
func (h *pgHolder) fail(err error) error {
	holding := h.lease.holdsAny()
	if pgAnswered(err) {
		h.clean()
	} else {
		h.drop(err)
	}
	err = fmt.Errorf("acquire lock: %w", err)
	switch {
	case pgCode(err) == pgDeadlock:
		// A deadlock, possible in spite of the sorted order: one key's hash collides with
		// that of another.
		return errors.Join(ErrBusy, err)
	case holding && pgDropped(err):
		return errors.Join(ErrLost, err)
	default:
		return errors.Join(ErrUnavailable, err)
	}
}

// ask asks for locks, in their order. It reports false if ctx ended before the answer came;
// what was asked for has then been given back, or is being given back.
func (h *pgHolder) ask(ctx context.Context, keys []string, wait bool) (pgAcquireReply, bool) {
	if ctx.Err() != nil {
		h.clean()
		return pgAcquireReply{}, false
	}
	answer := make(chan pgAcquireReply, 1)
	s := h.s
	// The caller has joined the workers, so run does not fail.
	h.pg.workers.run(func() { answer <- h.send(s, keys, wait) })
	select {
	case a := <-answer:
		return a, true
	case <-ctx.Done():
		h.abandon(answer, wait)
		return pgAcquireReply{}, false
	}
}

func (h *pgHolder) send(s *pgSession, keys []string, wait bool) pgAcquireReply {
	sql, limit := h.pg.sql.try, h.pg.call
	if wait {
		sql, limit = h.pg.sql.wait, h.pg.slice+h.pg.call
	}
	a := pgAcquireReply{sent: time.Now()}
	var unsigned bool
	a.err = h.pg.query(s, limit, sql, []any{keys, h.pg.name}, &a.n, &a.token, &unsigned)
	if pgAnswered(a.err) {
		h.mu.Lock()
		h.heard = a.sent
		h.mu.Unlock()
	}
	return a
}

// pgWaited reports whether the server has ended a wait, by its limit or by a cancel request,
// even one that was meant for an earlier statement of the session.
func pgWaited(err error) bool {
	code := pgCode(err)
	return code == pgTimedOut || code == pgCanceled
}

// abandon gives up a request that is under way. As a rule the server is done with it when
// this returns; if it does not answer, the clean-up goes on in the background.
func (h *pgHolder) abandon(answer <-chan pgAcquireReply, waiting bool) {
	s := h.s
	h.s = nil
	done := make(chan struct{})
	h.pg.workers.run(func() {
		defer close(done)
		if waiting {
			s.cancel(h.pg.call)
		}
		limit := time.AfterFunc(h.pg.call, s.kill)
		a := <-answer
		limit.Stop()
		h.pg.clean(s, a.err)
	})
	limit := time.NewTimer(h.pg.call)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
	}
}

// clean gives back whatever the session holds, and then the session.
func (p *Postgres) clean(s *pgSession, err error) {
	if !pgAnswered(err) {
		p.pool.drop(s, err)
		return
	}
	_, err = p.give(s, nil)
	if pgCode(err) == pgCanceled { // by a cancel request that came late
		_, err = p.give(s, nil)
	}
	if err != nil {
		p.pool.drop(s, err)
		return
	}
	p.pool.put(s)
}

func (h *pgHolder) clean() {
	s := h.s
	h.s = nil
	h.pg.clean(s, nil)
}

func (h *pgHolder) drop(err error) {
	s := h.s
	h.s = nil
	h.pg.pool.drop(s, err)
}

// give releases keys, and whatever else the session holds, and reports whether it held all
// the keys.
func (p *Postgres) give(s *pgSession, keys []string) (held bool, err error) {
	var unsigned bool
	err = p.query(s, p.call, p.sql.give, []any{keys, p.name}, &held, &unsigned)
	return held, err
}
