package locking

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A pgCommand is what the attendant of a session is to do.
type pgCommand int

const (
	pgListen pgCommand = iota // wait for the session to end
	pgPing                    // ping the server, so that the session is not idle
	pgLeave                   // return: the release takes over
)

var errPGSilent = errors.New("the server has not answered for the TTL")

// attend starts the attendant of a lease that holds all its keys: it watches the session, so
// that the lease is lost as soon as the session ends, and not only when a renewal finds out.
// The caller must have joined the workers.
func (h *pgHolder) attend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ponged = make(chan struct{})
	h.attended = make(chan struct{})
	h.kill = h.s.kill
	h.pg.workers.run(h.attendant)
}

// attendant alone uses the session until it is told to leave it. If the session or the lease
// ends first, it gives the session back.
func (h *pgHolder) attendant() {
	defer close(h.attended)
	for {
		ctx, wish := h.next()
		sent := time.Now()
		var err error
		switch wish {
		case pgListen:
			err = h.s.listen(ctx)
		case pgPing:
			// Wait for as long as the lease lasts: a late answer counts, too.
			ctx, cancel := context.WithTimeout(context.Background(), h.pg.ttl)
			err = h.s.conn.Ping(ctx)
			cancel()
		case pgLeave:
			return
		}
		switch {
		case err != nil:
			if !h.gaveUp.Load() {
				h.lease.lose(errSession)
			}
			h.drop(err)
			return
		case h.lease.life.Err() != nil:
			h.retire()
			return
		case wish == pgPing:
			h.pong(sent)
		}
	}
}

// next returns the wish, and a context that ends with the lease or when the wish changes.
func (h *pgHolder) next() (context.Context, pgCommand) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.nudge != nil {
		h.nudge()
	}
	ctx, nudge := context.WithCancel(h.lease.life)
	h.nudge = nudge
	return ctx, h.wish
}

// pong records the answer to a ping.
func (h *pgHolder) pong(sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.heard = sent
	if h.wish == pgPing {
		h.wish = pgListen
	}
	close(h.ponged)
	h.ponged = make(chan struct{})
}

// tell tells the attendant what to do, and returns ponged and attended, which is nil if there
// is no attendant.
func (h *pgHolder) tell(wish pgCommand) (ponged, attended <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.attended != nil && h.wish != wish {
		h.wish = wish
		if h.nudge != nil {
			h.nudge()
		}
	}
	return h.ponged, h.attended
}

// renew implements keeper. There is no attendant while the lease waits for a later key: then
// the waits, each of which is answered within its limit, renew it.
func (h *pgHolder) renew(ctx context.Context, _ []grant) (time.Duration, error) {
	ponged, attended := h.tell(pgPing)
	if attended == nil {
		return h.left()
	}
	select {
	case <-ponged:
		return h.left()
	case <-attended:
		return 0, ErrLost
	case <-ctx.Done():
		// The ping is still under way: its answer may be in time for the next
		// renewal.
		return 0, ctx.Err()
	}
}

// left returns for how long the server keeps the session, from now on.
func (h *pgHolder) left() (time.Duration, error) {
	h.mu.Lock()
	since := time.Since(h.heard)
	h.mu.Unlock()
	// The lease takes its hundredth for the clocks off only what is left. Take it off the
	// time that has passed, too.
	left := h.pg.ttl - since - since/50
	if left <= 0 {
		return 0, errPGSilent
	}
	return left, nil
}

// release implements keeper.
func (h *pgHolder) release(_ context.Context, held []grant, lost bool) error {
	_, attended := h.tell(pgLeave)
	if attended == nil {
		return nil // take has given everything back
	}
	// The attendant may be waiting for the answer to a ping.
	limit := time.AfterFunc(h.pg.call, func() {
		h.gaveUp.Store(true)
		h.kill()
	})
	<-attended
	limit.Stop()
	switch {
	case h.s == nil && h.gaveUp.Load():
		return ErrUnknown
	case h.s == nil:
		return ErrLost
	case lost:
		h.retire()
		return ErrLost
	default:
		return h.settle(held)
	}
}

// settle gives the keys back, and the session.
func (h *pgHolder) settle(held []grant) error {
	whole, err := h.pg.give(h.s, heldKeys(held))
	switch {
	case err == nil:
		h.pg.pool.put(h.s)
		if !whole {
			return ErrLost
		}
		return nil
	case pgEnded(err):
		h.drop(err)
		return ErrLost
	case pgAnswered(err):
		h.clean()
	default:
		h.drop(err)
	}
	return errors.Join(ErrUnknown, fmt.Errorf("release lock: %w", err))
}

// retire closes a session that is idle: that frees whatever it holds.
func (h *pgHolder) retire() {
	s := h.s
	h.s = nil
	h.pg.discard(s)
	<-h.pg.pool.slots
}
