package locking

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A redisHolder is one lease's side of the locks in Redis.
type redisHolder struct {
	redis *Redis
	owner string // unique for the lease
	woken <-chan wakeCause
}

var _ keeper = (*redisHolder)(nil)

// An asked is the answer to one request for locks.
type asked struct {
	sent   time.Time
	tokens []int64       // of the locks that were taken: the first of those asked for
	left   time.Duration // what the next one has left; below 0 if it never ends
	err    error
}

// take puts the keys into the lease as the server grants them.
func (h *redisHolder) take(ctx context.Context, l *Lease, keys []string) error {
	ctx, stop := l.bound(ctx)
	defer stop()
	answered := false
	for {
		part := keys[:h.redis.together(keys)]
		a := h.ask(ctx, part)
		if ctx.Err() != nil && len(a.tokens) < len(part) {
			return waitError(ctx, answered || a.err == nil)
		}
		if a.err != nil {
			return errors.Join(ErrUnavailable, a.err)
		}
		answered = true
		for i, token := range a.tokens {
			l.add(grant{key: keys[i], token: token, until: a.sent.Add(trusted(h.redis.ttl))})
		}
		keys = keys[len(a.tokens):]
		switch {
		case len(keys) == 0:
			return l.Check(0)
		case len(a.tokens) == len(part): // there are others to ask for
		case !h.await(ctx, a.left):
			h.leave(keys[:len(part)-len(a.tokens)])
			return waitError(ctx, true)
		}
	}
}

// await waits until there is a reason to ask again, and reports false if ctx
// ended. Should no message come, the owner asks in time to claim what it may
// have been passed, and when a holder who never releases may be over.
func (h *redisHolder) await(ctx context.Context, left time.Duration) bool {
	half := h.redis.claim / 2
	patience := half/2 + rand.N(half/2) // not in step with other waiters
	if left >= 0 {
		patience = min(patience, left+time.Millisecond)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case cause := <-h.woken:
		h.redis.count(cause)
	case <-timer.C:
		h.redis.count(wakeTimer)
	case <-ctx.Done():
		return false
	}
	return true
}

// ask asks for the locks, in their order. It returns as soon as ctx ends. The
// request itself is left to come to its end, so that its outcome is known and
// its connection stays whole; what it takes then is given back.
func (h *redisHolder) ask(ctx context.Context, keys []string) asked {
	if ctx.Err() != nil {
		return asked{err: ctx.Err()}
	}
	answer := make(chan asked, 1)
	// The caller is in the crew, so that more may be taken on.
	h.redis.crew.run(func() {
		ctx := context.WithoutCancel(ctx)
		a := h.send(ctx, keys)
		if a.err != nil && dropped(a.err) {
			// A server that was restarted leaves dead connections behind.
			a = h.send(ctx, keys)
		}
		answer <- a
	})

	select {
	case a := <-answer:
		if a.err != nil && !neverSent(a.err) {
			h.forget(keys, unsettled)
		}
		return a
	case <-ctx.Done():
		h.redis.crew.run(func() {
			switch a := <-answer; {
			case a.err == nil:
				h.forget(keys, settled)
			case !neverSent(a.err):
				h.forget(keys, unsettled)
			}
		})
		return asked{err: ctx.Err()}
	}
}

func (h *redisHolder) send(ctx context.Context, keys []string) asked {
	r := h.redis
	a := asked{sent: time.Now()}
	reply, err := r.runSafe(ctx, acquireScript, keys,
		h.owner, r.ttl.Milliseconds(), r.claim.Milliseconds(), r.clustered).Int64Slice()
	if err != nil {
		a.err = fmt.Errorf("acquire lock: %w", err)
		return a
	}
	a.left, a.tokens = time.Duration(reply[0])*time.Millisecond, reply[1:]
	return a
}

// renew implements keeper.
func (h *redisHolder) renew(ctx context.Context, held []grant) (time.Duration, error) {
	err := h.each(heldKeys(held), func(keys []string) error {
		mine, err := h.redis.runSafe(ctx, renewScript, keys, h.owner,
			h.redis.ttl.Milliseconds()).Int()
		if err == nil && mine < len(keys) {
			return ErrLost
		}
		return err
	})
	switch {
	case errors.Is(err, ErrLost):
		return 0, ErrLost
	case err != nil:
		return 0, fmt.Errorf("renew lock: %w", err)
	}
	return h.redis.ttl, nil
}
