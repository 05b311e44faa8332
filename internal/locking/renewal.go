package locking

import (
	"context"
	"errors"
	"fmt"
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

// callTimeout returns how long one request to a backend may take: short enough that several
// fit into the time that is left when a renewal first fails.
func callTimeout(ttl time.Duration) time.Duration {
	return min(max(ttl/6, 50*time.Millisecond), time.Second)
}

// A renewal keeps a lease alive. It has a goroutine only while it asks the backend: most
// leases are released before their first renewal, and starting and stopping a goroutine would
// cost them more than everything else in this process. Its fields are guarded by the lease's
// mutex.
type renewal struct {
	timer  *time.Timer        // calls renewNow; nil before the first grant
	under  chan struct{}      // of the renewal under way, if any: closed at its end
	cancel context.CancelFunc // cancels the one under way
	ended  bool
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
	} else {
		l.until = g.until
		l.timer = time.AfterFunc(time.Until(g.until), l.expire)
		l.renewal.timer = time.AfterFunc(l.ttl, l.renewNow)
	}
	if l.renewal.under == nil {
		l.renewal.timer.Reset(l.renewalDue())
	}
}

// renewalDue returns how long to wait for the next renewal: nothing while a grant is
// unconfirmed, else a third of the time that is left, so that a renewal that failed can be
// repeated.
func (l *Lease) renewalDue() time.Duration {
	if slices.ContainsFunc(l.held, func(g grant) bool { return g.unconfirmed }) {
		return 0
	}
	return min(l.ttl, time.Until(l.until)) / 3
}

// renewNow renews the lease and sets the time of the next renewal.
func (l *Lease) renewNow() {
	l.mu.Lock()
	// One at a time: the timer may have fired just before it was reset.
	if l.ended || l.renewal.ended || l.renewal.under != nil || l.life.Err() != nil {
		l.mu.Unlock()
		return
	}
	ctx, cancel := context.WithCancel(l.life)
	under := make(chan struct{})
	l.renewal.under, l.renewal.cancel = under, cancel
	l.mu.Unlock()

	err := l.renew(ctx)
	cancel()

	l.mu.Lock()
	defer l.mu.Unlock()
	defer close(under)
	l.renewal.under = nil
	switch {
	case errors.Is(err, errExpired):
		l.lose(errExpired)
	case errors.Is(err, ErrLost):
		l.lose(errTaken)
	case l.renewal.ended:
	case err == nil:
		l.renewal.timer.Reset(l.renewalDue())
	default:
		// The backend did not answer. Until its time is over the lease stays trusted, and is
		// asked for again.
		l.renewal.timer.Reset(l.ttl / 30)
	}
}

// endRenewal stops the renewal and waits for one that is under way, so that it cannot race
// with the release at the backend.
func (l *Lease) endRenewal() {
	l.mu.Lock()
	l.renewal.ended = true
	if l.renewal.timer != nil {
		l.renewal.timer.Stop()
	}
	under := l.renewal.under
	if under != nil {
		l.renewal.cancel()
	}
	l.mu.Unlock()
	if under != nil {
		<-under
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

// extend sets a new end for the grants that were renewed. Others may have been added
// meanwhile, by requests older than the renewal: those keep their own end.
func (l *Lease) extend(renewed []grant, until time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A lease whose trusted time has ended stays lost: the holder may have acted on the loss.
	if l.life.Err() != nil || !time.Now().Before(l.until) {
		return fmt.Errorf("%w: %w", ErrLost, errExpired)
	}
	for i := range l.held {
		if _, found := search(renewed, l.held[i].key); found {
			l.held[i].until, l.held[i].unconfirmed = until, false
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
	// The timer may have fired just before it was reset.
	if left := time.Until(l.until); left > 0 {
		l.timer.Reset(left)
		return
	}
	l.lose(errExpired)
}
