package locking

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// A redisHolder is the keeper of one lease in Redis.
type redisHolder struct {
	redis *Redis
	owner string // unique for the lease
	woken <-chan redisWake
	// reached: a request may have arrived, and the owner may be in a queue or hold a lock
	// without knowing it.
	reached bool
}

var _ keeper = (*redisHolder)(nil)

// An acquireReply is the answer to one request for locks.
type acquireReply struct {
	sent   time.Time
	grants []grant       // for the locks granted: the first of those asked for
	left   time.Duration // what the first lock not granted has left; below 0 if it never ends
	last   int64         // the latest token of that lock's counter
	err    error
}

// take puts the keys into the lease as the server grants them.
func (h *redisHolder) take(ctx context.Context, l *Lease, keys []string) error {
	ctx, stop := l.bound(ctx)
	defer stop()
	answered := false
	for len(keys) > 0 {
		part := keys[:h.redis.sameSlotPrefix(keys)]
		a := h.ask(ctx, part)
		if h.cutShort(ctx, a) {
			<-ctx.Done()
		}
		if ctx.Err() != nil && len(a.grants) < len(part) {
			// Even if it was too late to send another request: an earlier one may have queued
			// the owner.
			if h.reached && (a.err == nil || a.sent.IsZero()) {
				h.leave(part)
			}
			err := waitError(ctx, answered || a.err == nil)
			if !answered {
				err = errors.Join(err, a.err)
			}
			return err
		}
		if a.err != nil {
			return errors.Join(ErrUnavailable, a.err)
		}
		answered = true
		for _, g := range a.grants {
			l.add(g)
		}
		keys = keys[len(a.grants):]
		if len(a.grants) == len(part) {
			continue
		}
		// Others may have queued behind it: only the first waiter in a queue notifies the
		// holder.
		l.demand.tell()
		woken, ok := h.await(ctx, a.left)
		if !ok {
			h.leave(keys[:len(part)-len(a.grants)])
			return waitError(ctx, true)
		}
		if g, ok := h.passed(woken, a, keys[0]); ok {
			l.add(g)
			keys = keys[1:]
		}
	}
	return l.Check(0)
}

// cutShort reports whether a request failed because the caller's time was up, and not its own.
// Its connection's deadline is then the caller's, and may strike a moment before ctx ends: as if
// the server did not answer.
func (h *redisHolder) cutShort(ctx context.Context, a acquireReply) bool {
	deadline, limited := ctx.Deadline()
	// A dial has a limit of its own, and may have failed some time ago.
	return limited && isTimeout(a.err) && !neverSent(a.err) && !a.sent.Add(h.redis.call).Before(deadline)
}

// passed returns the grant that a message tells of. Its token shows that the lock was passed
// on after the server had answered the latest request, so that the hand-over TTL began after
// that request was sent. If too little of it is left for the first renewal, which confirms
// that the owner is alive, or for the holder's margin, passed reports false: the owner must
// then ask the server, as after any other message.
//
// It must also ask if locks need acknowledgements.
func (h *redisHolder) passed(woken redisWake, a acquireReply, key string) (grant, bool) {
	lock, _, _ := redisNames(key)
	g := grant{key: key, token: woken.token, until: a.sent.Add(trusted(h.redis.handoverTTL)), note: woken.note}
	ok := woken.cause == wakeTurn && woken.lock == lock && woken.token > a.last &&
		h.redis.acks == 0 && time.Until(g.until) > h.redis.minHandoverLeft
	return g, ok
}

// await waits until there is a reason to ask again, and reports false if ctx ended. If no
// message comes, the owner asks within half the hand-over TTL, in time to claim a lock that
// was passed to it, and when the lock of a holder that never released it may have expired.
func (h *redisHolder) await(ctx context.Context, left time.Duration) (redisWake, bool) {
	half := h.redis.handoverTTL / 2
	patience := half/2 + rand.N(half/2) // not in step with other waiters
	if left >= 0 {
		patience = min(patience, left+time.Millisecond)
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	woken := redisWake{cause: wakeTimer}
	select {
	case woken = <-h.woken:
	case <-timer.C:
	case <-ctx.Done():
		return woken, false
	}
	h.redis.count(woken.cause)
	return woken, true
}

// ask asks for the locks, in their order. It returns when the server has answered, or at the
// deadline of ctx or of one request; a cancelled ctx does not cut the request short, so that
// its outcome is known.
func (h *redisHolder) ask(ctx context.Context, keys []string) acquireReply {
	if ctx.Err() != nil {
		return acquireReply{err: ctx.Err()}
	}
	sending := context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		sending, cancel = context.WithDeadline(sending, deadline)
		defer cancel()
	}
	a := h.send(sending, keys)
	if a.err != nil && dropped(a.err) {
		// A server that was restarted leaves dead connections behind.
		a = h.send(sending, keys)
	}
	// Even if the last request was never sent, an earlier one may have arrived.
	if a.err != nil && h.reached {
		h.forget(keys, unsettled)
	}
	return a
}

func (h *redisHolder) send(ctx context.Context, keys []string) acquireReply {
	r := h.redis
	a := acquireReply{sent: time.Now()}
	reply, err := r.runSafe(ctx, acquireScript, keys, h.owner, r.ttl.Milliseconds()).Slice()
	h.reached = h.reached || err == nil || !neverSent(err)
	if err != nil {
		a.err = fmt.Errorf("acquire lock: %w", err)
		return a
	}
	var numbers []int64
	var notes []string // they come after all numbers
	for _, value := range reply {
		switch value := value.(type) {
		case int64:
			numbers = append(numbers, value)
		case string:
			notes = append(notes, value)
		}
	}
	if len(numbers) < 2 || len(numbers)-2 > len(keys) || len(notes) > len(numbers)-2 {
		a.err = fmt.Errorf("acquire lock: answered %v", reply)
		return a
	}
	a.left, a.last = time.Duration(numbers[0])*time.Millisecond, numbers[1]
	tokens := numbers[2:]
	for i, key := range keys {
		if i >= len(tokens) {
			break
		}
		g := grant{key: key, token: tokens[i], until: a.sent.Add(trusted(r.ttl))}
		if i < len(notes) {
			g.note = notes[i]
		}
		a.grants = append(a.grants, g)
	}
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
