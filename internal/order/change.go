package order

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Bounds of sweeping. Holds are counted as expired at their time, by everybody
// who looks; the sweeper only returns their units, and need not be punctual.
const (
	sweepEvery = time.Second // more or less, not to meet the other replicas'
	sweepMax   = 100         // holds in one transaction, which keeps sales of their SKUs waiting
	sweepLimit = 5 * time.Second
)

// Cancel gives a client's order up and returns its units, once, however often it
// is asked. Its errors are those of [Ledger.Cancel].
//
// It takes no turn at the lock. The lock is there for those who look at what is
// left and then take of it, so that nobody else takes the same: units that come
// back meanwhile make what they saw too little, and never too much. Their view
// of it is as old as that of any order, and a refusal is confirmed in Postgres.
// Nor does it mind the guards, which refuse takers, or move the fence, which
// would end the turn of whoever has one.
func (s *Service) Cancel(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	order, levels, err := s.Ledger.Cancel(ctx, client, id)
	if len(levels) > 0 { // it was this call that did it
		s.Metrics.changed(order.Status, 1)
		s.writeBack(ctx, levels)
	}
	return order, err
}

// Confirm keeps a client's held order for good. Its errors are those of
// [Ledger.Confirm].
func (s *Service) Confirm(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	order, kept, err := s.Ledger.Confirm(ctx, client, id)
	if kept {
		s.Metrics.changed(StatusConfirmed, 1)
	}
	return order, err
}

// SweepHolds returns the units of holds that are past their time, again and
// again, until ctx ends. Every replica may do so at once.
func (s *Service) SweepHolds(ctx context.Context) {
	for {
		n, err := s.Sweep(ctx)
		if err != nil {
			s.Metrics.sweepFailed()
			s.Log.WarnContext(ctx, "expired holds were not swept", "err", err)
		}
		pause := sweepEvery/2 + rand.N(sweepEvery)
		if n == sweepMax { // there are more
			pause = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Sweep returns the units of some holds that are past their time, and tells of
// how many. What it has begun it ends, within its own limit. Its error is
// stock.ErrUnavailable.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepLimit)
	defer cancel()
	n, levels, err := s.Ledger.Sweep(ctx, sweepMax)
	if n > 0 {
		s.Metrics.changed(StatusExpired, n)
		s.writeBack(ctx, levels)
	}
	return n, err
}
