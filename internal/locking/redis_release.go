package locking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// release implements keeper.
func (h *redisHolder) release(ctx context.Context, held []grant, lost bool) error {
	defer h.redis.hub.part(h.owner)
	if lost {
		h.forget(heldKeys(held), unsettled)
		return ErrLost
	}
	err := h.each(heldKeys(held), func(keys []string) error {
		mine, _, _, err := h.giveBack(ctx, keys)
		if err != nil {
			h.forget(keys, unsettled)
			return errors.Join(ErrUnknown, fmt.Errorf("release lock: %w", err))
		}
		if mine < int64(len(keys)) {
			return ErrLost
		}
		return nil
	})
	if errors.Is(err, ErrLost) {
		return ErrLost
	}
	return err
}

// pass implements passer.
func (h *redisHolder) pass(ctx context.Context, held []grant, notes []string) (kept []grant) {
	keys := heldKeys(held)
	if h.redis.sameSlotPrefix(keys) < len(keys) {
		return held
	}
	mine, _, places, err := h.giveBack(ctx, keys, notes...)
	if err != nil || mine < int64(len(keys)) {
		return held // the release will find out
	}
	for _, place := range places {
		kept = append(kept, held[place])
	}
	if len(kept) == 0 {
		h.redis.hub.part(h.owner)
	}
	return kept
}

// giveBack releases the owner's locks on keys that one script can reach, and takes the owner
// out of their queues. It returns how many it held and for how many it waited. With a note
// for each key, locks that have no waiter stay the owner's; kept are their indices.
func (h *redisHolder) giveBack(ctx context.Context, keys []string, notes ...string) (held, awaited int64, kept []int64, err error) {
	args := []any{h.owner, h.redis.handoverTTL.Milliseconds(), h.redis.clustered}
	for _, note := range notes {
		args = append(args, note)
	}
	reply, err := h.redis.run(ctx, releaseScript, keys, args...).Int64Slice()
	if err != nil {
		return 0, 0, nil, err
	}
	return reply[0], reply[1], reply[2:], nil
}

// What is known, when keys are given up, of the answers to the requests for them.
const (
	settled   = true  // all have been answered
	unsettled = false // one may still arrive
)

// leave takes the owner out of the queues of keys. The caller is late already: it waits no
// longer than a healthy server takes, and leaves the rest to the background.
func (h *redisHolder) leave(keys []string) {
	timer := time.NewTimer(h.redis.call / 4)
	defer timer.Stop()
	select {
	case <-h.forget(keys, settled):
	case <-timer.C:
	}
}

// forget releases in the background what the owner holds of keys, and takes it out of their
// queues. It retries until the server has answered or everything has expired, and then closes
// the channel that it returns.
func (h *redisHolder) forget(keys []string, answered bool) <-chan struct{} {
	r := h.redis
	done := make(chan struct{})
	// run fails only once Close is done, for a lease that Close has ended.
	if !r.workers.run(func() {
		defer close(done)
		over := time.Now().Add(r.ttl + r.call)
		nothing := answered
		for wait := r.call / 8; ; wait = min(2*wait, r.call) {
			var found atomic.Int64
			err := h.each(keys, func(keys []string) error {
				held, awaited, _, err := h.giveBack(context.Background(), keys)
				found.Add(held + awaited)
				return err
			})
			if err == nil && (nothing || found.Load() > 0) {
				return
			}
			if err == nil {
				// A server that hung may still execute an earlier request: it reads its
				// connections in any order. So it is asked once more, later.
				nothing, wait = true, 2*r.call
			}
			if r.workers.life.Err() != nil || time.Now().After(over) {
				return
			}
			pause(r.workers.life, wait)
		}
	}) {
		close(done)
	}
	return done
}

// each calls f with those parts of keys that one script can reach, for all parts at once, and
// returns their errors, joined.
func (h *redisHolder) each(keys []string, f func([]string) error) error {
	first := h.redis.sameSlotPrefix(keys)
	if first == len(keys) {
		return f(keys)
	}
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		errs  []error
	)
	for len(keys) > 0 {
		part := keys[:h.redis.sameSlotPrefix(keys)]
		keys = keys[len(part):]
		group.Go(func() {
			err := f(part)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

func heldKeys(held []grant) []string {
	keys := make([]string, len(held))
	for i, g := range held {
		keys[i] = g.key
	}
	return keys
}
