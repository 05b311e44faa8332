package order

import (
	"bytes"
	"context"
	"errors"
	"time"

	"orderd/internal/stock"
)

// A claimed key is one that this process places an order for now.
type claimedKey struct{ client, key string }

// once places the order that a key names, unless it has been: then it answers
// what was answered first. In the index of the keys Postgres decides who is
// first, and nobody else; what is done here saves work.
func (s *Service) once(ctx context.Context, r Request) (Order, error) {
	claimed := claimedKey{r.Client, r.Key}
	if _, running := s.running.LoadOrStore(claimed, nil); running {
		return Order{}, ErrInFlight
	}
	defer s.running.Delete(claimed)

	// An order that was placed is answered however little is left by now: the
	// refusal counts only if there is none.
	soldOut := s.refuseSoldOut(ctx, r.Lines)
	if first, err := s.replay(ctx, r); !errors.Is(err, ErrNotFound) {
		return first, err
	}
	if soldOut != nil {
		return Order{}, soldOut
	}
	placed, err := s.take(ctx, r)
	if !errors.Is(err, stock.ErrShort) && !errors.Is(err, ErrInFlight) {
		return placed, err
	}
	// It may have been placed since by another replica, and have taken the very
	// units that are missing: a commit of unknown outcome may come to light late.
	if first, again := s.replay(ctx, r); !errors.Is(again, ErrNotFound) {
		return first, again
	}
	return placed, err
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
		s.keys.place, s.keys.rest = s.lookForKeys, func() {}
	})
	first, err := s.keys.submit(ctx, r)
	if err == nil && !bytes.Equal(first.hash, r.hash()) {
		return Order{}, ErrKeyReused
	}
	return first, err
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
