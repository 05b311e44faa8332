package locking

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// A redlockHolder is the keeper of one lease on the masters.
type redlockHolder struct {
	redlock *Redlock
	known   bool // a quorum answered the latest attempt

	mu       sync.Mutex
	attempts map[string]*redlockAttempt // by key: those that took the lease's keys
}

var _ keeper = (*redlockHolder)(nil)

// take takes the keys one after the other and adds them to the lease.
func (h *redlockHolder) take(ctx context.Context, l *Lease, keys []string) error {
	ctx, stop := l.bound(ctx)
	defer stop()
	for _, key := range keys {
		a, err := h.acquire(ctx, key)
		if err != nil {
			return err
		}
		h.mu.Lock()
		h.attempts[key] = a
		h.mu.Unlock()
		l.add(grant{key: key, token: a.token, until: a.sent.Add(trusted(h.redlock.ttl))})
	}
	return l.Check(0)
}

// acquire makes attempts until one takes the lock. One that no quorum answers ends it with an
// error, but not if a quorum answered the attempt before: a wait consists of many attempts.
func (h *redlockHolder) acquire(ctx context.Context, key string) (*redlockAttempt, error) {
	for {
		a := h.ask(ctx, key)
		switch {
		case a == nil:
			return nil, h.waitError(ctx)
		case a.taken:
			h.known = true
			return a, nil
		case a.err != nil && !h.known:
			return nil, errors.Join(ErrUnavailable, a.err)
		case !pause(ctx, backoff()):
			return nil, h.waitError(ctx)
		}
		h.redlock.count(wakeTimer)
		h.known = a.err == nil
	}
}

// backoff returns how long a waiter leaves the masters alone: long enough for others to reach
// all of them, and random, so that waiters that split the masters between them do not do so
// again.
func backoff() time.Duration {
	const least, most = 3 * time.Millisecond, 15 * time.Millisecond
	return least + rand.N(most-least)
}

// waitError returns the error of an acquire whose context has ended.
func (h *redlockHolder) waitError(ctx context.Context) error {
	return waitError(ctx, h.redlock.heardLately())
}

// ask makes one attempt. It returns nil as soon as ctx ends; the attempt then goes on in the
// background, and what it takes is given back.
func (h *redlockHolder) ask(ctx context.Context, key string) *redlockAttempt {
	if ctx.Err() != nil {
		return nil
	}
	answer := make(chan *redlockAttempt)
	// The caller has joined the workers, so run does not fail.
	h.redlock.workers.run(func() {
		background := context.WithoutCancel(ctx)
		a := h.redlock.try(background, key)
		select {
		case answer <- a:
		case <-ctx.Done():
			if a.taken {
				a.leave(background)
			}
		}
	})
	select {
	case a := <-answer:
		return a
	case <-ctx.Done():
		return nil
	}
}

// renew implements keeper.
func (h *redlockHolder) renew(ctx context.Context, held []grant) (time.Duration, error) {
	err := h.each(held, func(a *redlockAttempt) error {
		round := a.begin()
		_, err := a.mutex.ExtendContext(round.in(ctx))
		return round.verdict(err)
	})
	switch {
	case errors.Is(err, ErrLost):
		return 0, ErrLost
	case err != nil:
		return 0, fmt.Errorf("renew lock: %w", err)
	}
	return h.redlock.ttl, nil
}

// release implements keeper.
func (h *redlockHolder) release(ctx context.Context, held []grant, lost bool) error {
	if lost {
		_ = h.each(held, func(a *redlockAttempt) error {
			a.forget()
			return nil
		})
		return ErrLost
	}
	err := h.each(held, func(a *redlockAttempt) error {
		return a.leave(ctx).verdict(ErrUnknown)
	})
	if errors.Is(err, ErrLost) {
		return ErrLost
	}
	return err
}

// each calls f with the attempts that took the keys, all at once, and returns their errors,
// joined.
func (h *redlockHolder) each(held []grant, f func(*redlockAttempt) error) error {
	var group sync.WaitGroup
	errs := make([]error, len(held))
	for i, g := range held {
		h.mu.Lock()
		a := h.attempts[g.key]
		h.mu.Unlock()
		group.Go(func() { errs[i] = f(a) })
	}
	group.Wait()
	return errors.Join(errs...)
}
