package locking

import (
	"context"
	"errors"
	"slices"
	"time"
)

// trusted returns how long a holder may trust a grant of ttl, counted from
// before it sent the request: a hundredth less, for clocks that run at
// different rates, and two milliseconds less, for those that count in
// milliseconds.
func trusted(ttl time.Duration) time.Duration {
	return ttl - ttl/100 - 2*time.Millisecond
}

// callTimeout is how long one request to a backend may take: short enough that
// several fit into the time that is left when a renewal first fails.
func callTimeout(ttl time.Duration) time.Duration {
	return min(max(ttl/6, 50*time.Millisecond), time.Second)
}

// add puts a grant into the lease. The first one starts the renewal, which
// from then on keeps what the lease holds while it waits for its later keys.
func (l *Lease) add(g grant) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, _ := search(l.held, g.key)
	l.held = slices.Insert(l.held, i, g)
	if l.ttl == 0 {
		return
	}
	if l.timer != nil {
		l.rearm()
		return
	}
	l.until = g.until
	l.timer = time.AfterFunc(time.Until(g.until), l.expire)
	ctx, stop := context.WithCancel(l.life)
	l.stopRenewal = stop
	go l.keep(ctx)
}

// keep renews the lease every third of its TTL until ctx ends: after one
// renewal that failed there is time for others.
func (l *Lease) keep(ctx context.Context) {
	defer close(l.renewal)
	interval := l.ttl / 3
	for pause(ctx, interval) {
		switch err := l.renew(ctx); {
		case err == nil:
			interval = l.ttl / 3
		case errors.Is(err, ErrLost):
			l.lose()
			return
		default:
			// The backend did not answer. The lease is trusted, and asked for,
			// until its time is over.
			interval = l.ttl / 30
		}
	}
}

func (l *Lease) renew(ctx context.Context) error {
	l.mu.Lock()
	held := slices.Clone(l.held)
	l.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, callTimeout(l.ttl))
	defer cancel()
	sent := time.Now()
	ttl, err := l.keeper.renew(ctx, held)
	if err != nil {
		return err
	}
	return l.extend(held, sent.Add(trusted(ttl)))
}

// extend moves the end of the grants that were renewed. Others may have been
// added meanwhile, by requests older than the renewal: those keep their own.
func (l *Lease) extend(renewed []grant, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Trust that has ended does not come back: the holder may have acted on it.
	if l.life.Err() != nil || !time.Now().Before(l.until) {
		return ErrLost
	}
	for i := range l.held {
		if _, found := search(renewed, l.held[i].key); found {
			l.held[i].until = until
		}
	}
	l.rearm()
	return nil
}

// rearm sets the lease's end to that of the grant that ends first.
func (l *Lease) rearm() {
	l.until = l.held[0].until
	for _, g := range l.held[1:] {
		if g.until.Before(l.until) {
			l.until = g.until
		}
	}
	l.timer.Reset(time.Until(l.until))
}

// expire ends the lease by the clock, even if every call to the backend hangs.
func (l *Lease) expire() {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The timer may have fired just before it was set anew.
	if left := time.Until(l.until); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.lose()
}
