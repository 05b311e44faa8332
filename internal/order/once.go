package order

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"orderd/internal/stock"
)

// A claimed key is one that this process places an order for now.
type claimedKey struct{ client, key string }

// placeKeyed places the order that a key names, unless it has been: then it answers
// what was answered first. In the index of the keys Postgres decides who is
// first, and nobody else; what is done here saves work.
func (s *Service) placeKeyed(ctx context.Context, r Request) (Order, error) {
	claimed := claimedKey{r.Client, r.Key}
	if _, running := s.running.LoadOrStore(claimed, nil); running {
		return Order{}, ErrInFlight
	}
	defer s.running.Delete(claimed)

	// An order that was placed is answered however little is left by now: the
	// refusal counts only if there is none.
	soldOut := s.refuseSoldOut(ctx, r.Lines)
	if soldOut != nil || s.repeats.lately() {
		if first, err := s.replay(ctx, r); !errors.Is(err, ErrNotFound) {
			return first, err
		}
	}
	if soldOut != nil {
		return Order{}, soldOut
	}
	// Nearly all keys are new: to look each of them up first would cost an eighth of the
	// orders a second. One that is not fails in the index.
	placed, err := s.take(ctx, r)
	if err == nil {
		return placed, nil
	}
	// Whatever it failed for, it may have been placed: it may have taken the very units
	// that are missing, and a commit of unknown outcome may come to light late.
	first, again := s.replay(ctx, r)
	switch {
	case again == nil, errors.Is(again, ErrKeyReused):
		return first, again
	case !errors.Is(again, ErrNotFound) && (errors.Is(err, stock.ErrShort) || errors.Is(err, ErrInFlight)):
		return first, again // without an answer that is not known to be true
	default:
		return placed, err
	}
}

// repeatsLast is how long keys are looked up before their orders are placed, once
// one was found that had an order.
const repeatsLast = time.Second

// recentReplays remembers when a key came again. Clients do that many at a time, after
// something broke, and each would fail the group that it is in.
type recentReplays struct{ last atomic.Pointer[time.Time] } // with its monotonic reading

func (r *recentReplays) note() {
	now := time.Now()
	r.last.Store(&now)
}

func (r *recentReplays) lately() bool {
	last := r.last.Load()
	return last != nil && time.Since(*last) < repeatsLast
}

// Bounds of looking for keys: how many at a time, for how long, and how long a
// request waits for it.
const (
	keysMax      = 256
	keysLimit    = 2 * time.Second
	keysPatience = 2 * time.Second
)

// replay returns the order that the request's key has placed, as it was answered
// then. Its errors are ErrNotFound, ErrKeyReused if the order is for something
// else, stock.ErrUnavailable, and locking.ErrBusy if too many wait.
//
// Keys that come while others are being looked for wait in a lane, as orders do,
// and are looked for together: one by one they would cost more than the orders.
func (s *Service) replay(ctx context.Context, r Request) (Order, error) {
	s.keysOnce.Do(func() {
		s.keys.name, s.keys.limit, s.keys.patience = "keys", keysMax, keysPatience
		s.keys.place, s.keys.idle = s.lookForKeys, func() bool { return true }
	})
	first, err := s.keys.submit(ctx, r)
	if err != nil {
		return Order{}, err
	}
	s.repeats.note()
	if !bytes.Equal(first.hash, r.hash()) {
		return Order{}, ErrKeyReused
	}
	return first, nil
}

// lookForKeys answers each with the order that its key has placed, if any.
func (s *Service) lookForKeys(group []*waiter) {
	ctx, cancel := context.WithTimeout(context.Background(), keysLimit)
	defer cancel()
	defer func() { s.rescue(recover(), group, func() {}) }()
	r := &round{began: time.Now(), record: &record{}}
	ctx, r.span = s.Traces.group(ctx, "look for keys", r.began, group)
	defer r.span.end()
	r.span.serves(group)
	requests := make([]Request, len(group))
	for i, w := range group {
		requests[i] = w.Request
	}
	placed, err := s.Ledger.replays(ctx, requests)
	r.answer(group, func(i int) (Order, error) {
		first, ok := placed[claimedKey{group[i].Client, group[i].Key}]
		if !ok && err == nil {
			return Order{}, ErrNotFound
		}
		return first, err
	})
}
