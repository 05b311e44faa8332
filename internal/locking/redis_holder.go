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
}

var _ keeper = (*redisHolder)(nil)

// An asked is the answer to one request for locks.
type asked struct {
	sent   time.Time
	tokens []int64       // of the locks that were taken: the first of those asked for
	wait   time.Duration // until the next one expires; below 0 if it never does
	err    error
}

// take puts the keys into the lease as the server grants them.
func (h *redisHolder) take(ctx context.Context, l *Lease, keys []string) error {
	ctx, stop := l.bound(ctx)
	defer stop()
	answered := false
	for try := 0; ; try++ {
		a := h.ask(ctx, keys)
		if ctx.Err() != nil && len(a.tokens) < len(keys) {
			return waitError(ctx, answered || a.err == nil)
		}
		if a.err != nil {
			return errors.Join(ErrUnavailable, a.err)
		}
		answered = true
		for i, token := range a.tokens {
			l.add(grant{key: keys[i], token: token, until: a.sent.Add(trusted(h.redis.ttl))})
			try = 0
		}
		if keys = keys[len(a.tokens):]; len(keys) == 0 {
			return l.Check(0)
		}
		if !pause(ctx, pollDelay(try, a.wait)) {
			return waitError(ctx, true)
		}
	}
}

// pollDelay is how long a waiter leaves the server alone: a little longer with
// each try, up to some 10 ms, but not beyond the time the holder has left. It
// is random, so that the waiters of several processes do not stay in step.
func pollDelay(try int, left time.Duration) time.Duration {
	const first, most = time.Millisecond, 5 * time.Millisecond
	base := min(first+time.Duration(try)*first/8, most)
	delay := base + rand.N(2*base)
	if left >= 0 {
		delay = min(delay, left+time.Millisecond)
	}
	return delay
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
			h.forget(keys)
		}
		return a
	case <-ctx.Done():
		h.redis.crew.run(func() {
			a := <-answer
			if len(a.tokens) > 0 || a.err != nil && !neverSent(a.err) {
				h.forget(keys)
			}
		})
		return asked{err: ctx.Err()}
	}
}

func (h *redisHolder) send(ctx context.Context, keys []string) asked {
	names := append([]string{redisCounterKey}, redisKeys(keys)...)
	a := asked{sent: time.Now()}
	reply, err := h.redis.run(ctx, acquireScript, names, h.owner, h.redis.ttl.Milliseconds()).
		Int64Slice()
	if err != nil {
		a.err = fmt.Errorf("acquire lock: %w", err)
		return a
	}
	a.wait, a.tokens = time.Duration(reply[0])*time.Millisecond, reply[1:]
	return a
}

// renew implements keeper.
func (h *redisHolder) renew(ctx context.Context, held []grant) (time.Duration, error) {
	mine, err := h.redis.run(ctx, renewScript, redisKeys(heldKeys(held)), h.owner,
		h.redis.ttl.Milliseconds()).Int()
	if err != nil {
		return 0, fmt.Errorf("renew lock: %w", err)
	}
	if mine < len(held) {
		return 0, ErrLost
	}
	return h.redis.ttl, nil
}

// release implements keeper.
func (h *redisHolder) release(ctx context.Context, held []grant, lost bool) error {
	keys := heldKeys(held)
	if lost {
		h.forget(keys)
		return ErrLost
	}
	mine, err := h.redis.run(ctx, releaseScript, redisKeys(keys), h.owner).Int()
	if err != nil {
		h.forget(keys)
		return errors.Join(ErrUnknown, fmt.Errorf("release lock: %w", err))
	}
	if mine < len(held) {
		return ErrLost
	}
	return nil
}

// forget deletes in the background what a request of unknown outcome may have
// taken, until the server has answered or the locks are gone by themselves.
func (h *redisHolder) forget(keys []string) {
	r := h.redis
	r.crew.run(func() {
		names := redisKeys(keys)
		over := time.Now().Add(r.ttl + r.call)
		nothing := false
		for wait := r.call / 8; ; wait = min(2*wait, r.call) {
			deleted, err := r.run(context.Background(), releaseScript, names, h.owner).Int()
			if deleted > 0 || nothing && err == nil {
				return
			}
			if err == nil {
				// A server that hung may yet come to the request: it reads its
				// connections in any order. So it is asked once more, later.
				nothing, wait = true, 2*r.call
			}
			if r.crew.life.Err() != nil || time.Now().After(over) {
				return
			}
			pause(r.crew.life, wait)
		}
	})
}

func heldKeys(held []grant) []string {
	keys := make([]string, len(held))
	for i, g := range held {
		keys[i] = g.key
	}
	return keys
}
