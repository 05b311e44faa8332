package order

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"

	"orderd/internal/stock"
)

// Bounds of sweeping. Every reader treats a hold as expired from its time on; the sweeper
// only returns its units, and need not be punctual.
const (
	sweepEvery = time.Second // on average: jitter keeps the replicas from sweeping in step
	sweepMax   = 100         // holds per transaction, which blocks sales of their SKUs
	sweepLimit = 5 * time.Second
)

// Cancel cancels a client's order and returns its units, once, however often it is called.
// Its errors are those of [Ledger.Cancel].
//
// It does not acquire the SKUs' leases. A lease is for callers that read a level and then
// take units of it, so that no one else takes the same ones: units that are returned
// meanwhile make the level that they read too low, never too high. The level of any order
// may be that stale, and a refusal is confirmed in Postgres. Nor does it check the guards,
// which only refuse sales, or raise the fence, which would make them refuse the current
// holder.
func (s *Service) Cancel(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	order, levels, err := s.Ledger.Cancel(ctx, client, id)
	if len(levels) > 0 { // this call made the change
		s.Metrics.changed(order.Status, 1)
		s.writeBack(ctx, levels)
	}
	return order, err
}

// Confirm makes a client's held order permanent. Its errors are those of [Ledger.Confirm].
func (s *Service) Confirm(ctx context.Context, client string, id uuid.UUID) (Order, error) {
	order, kept, err := s.Ledger.Confirm(ctx, client, id)
	if kept {
		s.Metrics.changed(StatusConfirmed, 1)
	}
	return order, err
}

// SweepHolds returns the units of expired holds, periodically, until ctx ends. Every
// replica may do so at once.
func (s *Service) SweepHolds(ctx context.Context) {
	for {
		n, err := s.Sweep(ctx)
		if err != nil {
			s.Metrics.sweepFailed()
			s.Log.WarnContext(ctx, "expired holds were not swept", "err", err)
		}
		pause := sweepEvery/2 + rand.N(sweepEvery)
		if n == sweepMax { // there may be more
			pause = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Sweep returns the units of up to sweepMax expired holds, and reports how many there were.
// Once begun it finishes even if ctx ends, within its own time limit. After an error, it may
// have returned those of some.
func (s *Service) Sweep(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sweepLimit)
	defer cancel()
	if due, err := s.Ledger.anyDue(ctx); err != nil || !due {
		return 0, err
	}
	n, _, err := s.sweep(ctx, sweepMax, nil)
	if err == nil || errors.Is(err, stock.ErrUnavailable) {
		return n, err
	}
	// A hold whose units cannot be returned, because the row of one of its SKUs is wrong, must not
	// keep those of all others.
	var except []uuid.UUID
	for n < sweepMax && ctx.Err() == nil {
		swept, failed, err := s.sweep(ctx, 1, except)
		if swept+len(failed) == 0 || errors.Is(err, stock.ErrUnavailable) {
			break
		}
		n, except = n+swept, append(except, failed...)
	}
	return n, err
}

// sweep returns the units of up to limit expired holds, except some: n is how many there were, and
// failed are those whose units it could not return, after an error.
func (s *Service) sweep(ctx context.Context, limit int, except []uuid.UUID) (n int, failed []uuid.UUID, err error) {
	ids, levels, err := s.Ledger.Sweep(ctx, limit, except)
	if err != nil {
		return 0, ids, err
	}
	if len(ids) > 0 {
		s.Metrics.changed(StatusExpired, len(ids))
		s.writeBack(ctx, levels)
	}
	return len(ids), nil, nil
}
