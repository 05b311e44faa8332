package order

import (
	"context"
	"errors"

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
	if first, err := s.Ledger.Replay(ctx, r); !errors.Is(err, ErrNotFound) {
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
	if first, again := s.Ledger.Replay(ctx, r); !errors.Is(again, ErrNotFound) {
		return first, again
	}
	return placed, err
}
