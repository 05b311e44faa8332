package order

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"orderd/internal/stock"
)

// A claimedKey is a client's idempotency key. Service.running holds those whose orders this
// process is placing.
type claimedKey struct{ client, key string }

// placeKeyed places the order of an idempotency key, or replays the first answer if the key
// has been used. Only Postgres' unique index decides which request was first; the checks
// here merely save work.
func (s *Service) placeKeyed(ctx context.Context, r Request) (Order, error) {
	claimed := claimedKey{r.Client, r.Key}
	if _, running := s.running.LoadOrStore(claimed, nil); running {
		return Order{}, ErrInFlight
	}
	defer s.running.Delete(claimed)

	// A refusal as sold out counts only if the key has no order: one that was placed is replayed, however
	// little is left by now.
	soldOut := s.refuseSoldOut(ctx, r.Lines)
	if soldOut != nil || s.repeats.lately() {
		if first, err := s.replay(ctx, r); !errors.Is(err, ErrNotFound) {
			return first, err
		}
	}
	if soldOut != nil {
		return Order{}, soldOut
	}
	// Nearly all keys are new: looking up each of them first would cost an eighth of the orders a second.
	// One that has been used fails on the index.
	placed, err := s.take(ctx, r)
	if err == nil {
		return placed, nil
	}
	// Whatever the error, the key's order may have been placed: it may have taken the very units that are
	// missing, and a commit of unknown outcome may turn out to have succeeded.
	first, again := s.replay(ctx, r)
	switch {
	case again == nil, errors.Is(again, ErrKeyReused):
		return first, again
	case !errors.Is(again, ErrNotFound) && (errors.Is(err, stock.ErrShort) || errors.Is(err, ErrInFlight)):
		return first, again // the lookup failed, so that err is not known to be true
	default:
		return placed, err
	}
}

// repeatsLast is how long keys are looked up before their orders are placed, after one was
// found to have an order.
const repeatsLast = time.Second

// recentReplays remembers when a used key was last sent again. After an outage clients
// retry many orders at a time, and each retry would fail the group that it is in.
type recentReplays struct{ last atomic.Pointer[time.Time] } // with its monotonic reading

func (r *recentReplays) note() {
	now := time.Now()
	r.last.Store(&now)
}

func (r *recentReplays) lately() bool {
	last := r.last.Load()
	return last != nil && time.Since(*last) < repeatsLast
}

// Bounds of key lookups: how many keys at a time, how long a lookup may take, and how long
// a request waits for one.
const (
	keysMax      = 256
	keysLimit    = 2 * time.Second
	keysPatience = keysLimit + verdictGrace
)

// replay returns the order that the request's key has placed, as it was first answered. Its
// errors are ErrNotFound, ErrKeyReused if the order is for something else,
// stock.ErrUnavailable, and locking.ErrBusy if too many wait.
//
// Keys that arrive during a lookup wait in a lane, as orders do, and are looked up
// together: one by one they would cost more than the orders.
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

// lookForKeys answers each waiter with the order that its key has placed, or ErrNotFound.
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
	s.keys.ended(err)
	r.answer(group, func(i int) (Order, error) {
		first, ok := placed[claimedKey{group[i].Client, group[i].Key}]
		if !ok && err == nil {
			return Order{}, ErrNotFound
		}
		return first, err
	})
}
