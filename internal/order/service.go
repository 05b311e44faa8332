package order

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A Service places orders. All fields but LockMargin, Work, Lanes and Traces are
// required.
type Service struct {
	Locks    locking.Locker
	LockWait time.Duration // how long an order waits for its lease
	// LockMargin is how long a lease must still last when COMMIT is sent: the time that a COMMIT
	// takes, so that it does not arrive after the end of the lease.
	LockMargin time.Duration
	Cache      *stock.Cache
	Shortages  *stock.Shortages
	Store      *stock.Store
	Ledger     *Ledger
	// Work is a pause between the check and the write, simulating pricing or fraud calls. It widens
	// the window in which a shop without a lock oversells.
	Work    time.Duration
	Log     *slog.Logger
	Metrics *Metrics
	// Lanes place orders in groups; nil: one order for each lease.
	Lanes *Lanes
	// Traces makes the spans; nil: there are none.
	Traces *Traces

	running  sync.Map // a set of claimedKey, whose orders are being placed here
	keys     lane     // of requests whose keys are being looked up
	keysOnce sync.Once
	repeats  recentReplays
}

// Close waits until no order is being placed in a lane or looked for by its key, and all leases
// of lanes have been released. No order may be placed any more.
func (s *Service) Close() {
	if s.Lanes != nil {
		s.Lanes.Close()
	}
	s.keys.close()
}

// Place takes the units of all lines, or of none. If the key has placed an order before, it
// returns that one, replayed, as it was then. Its errors are stock.ErrInvalid,
// stock.ErrUnknownSKU, stock.ErrShort, ErrKeyReused (refused for good); locking.ErrBusy,
// locking.ErrUnavailable, ErrLeaseLost, stock.ErrUnavailable (nothing was written, try
// again); ErrInFlight (another request with the key is being placed); and ErrUnknown.
func (s *Service) Place(ctx context.Context, r Request) (Order, error) {
	order, err := s.place(ctx, r)
	if r.Key == "" && errors.Is(err, ErrUnknown) {
		err = errors.Join(errUnkeyed, err)
	}
	s.Metrics.placed(order, err)
	recordOf(ctx).counted = true
	return order, err
}

func (s *Service) place(ctx context.Context, r Request) (Order, error) {
	if err := r.check(); err != nil {
		return Order{}, err
	}
	if r.Key != "" {
		return s.placeKeyed(ctx, r)
	}
	if err := s.refuseSoldOut(ctx, r.Lines); err != nil {
		return Order{}, err
	}
	return s.take(ctx, r)
}

// take acquires the lease, on its own or in a group, and takes the units.
func (s *Service) take(ctx context.Context, r Request) (Order, error) {
	if s.Lanes != nil {
		return s.Lanes.submit(ctx, r)
	}
	ctx, cancel := context.WithTimeout(ctx, RequestLimit)
	defer cancel()
	before := len(recordOf(ctx).steps)
	defer func() { s.Metrics.stepped(recordOf(ctx).steps[before:]) }()
	lease, err := s.lock(ctx, skus(r.Lines))
	if err != nil {
		return Order{}, err
	}
	// Released on every path and after the write-back, so that the next holder reads the new level.
	defer s.release(ctx, lease)

	levels, err := s.check(ctx, lease, r.Lines)
	if err != nil {
		return Order{}, err
	}
	if err := s.work(ctx); err != nil {
		return Order{}, err
	}
	committing, commit := begin(ctx, "commit")
	order, err := s.Ledger.Commit(committing, draft{
		Request: r, token: lease.Token,
		held: func() error { return lease.Check(s.LockMargin) },
	})
	commit.end()
	if err != nil {
		return Order{}, err
	}
	s.Metrics.grouped(1)
	s.writeBack(ctx, leftBy([]Order{order}, levels))
	return order, nil
}

// refuseSoldOut refuses orders for SKUs that Postgres confirmed as sold out a moment ago,
// without acquiring a lease.
func (s *Service) refuseSoldOut(ctx context.Context, lines []Line) error {
	for _, line := range lines {
		level, short, err := s.Shortages.KnownShort(ctx, line.SKU, line.Quantity)
		if err != nil {
			return err
		}
		if short {
			return &stock.ShortError{SKU: line.SKU, Requested: line.Quantity, Remaining: max(0, level.OnHand)}
		}
	}
	return nil
}

func (s *Service) lock(ctx context.Context, skus []string) (*locking.Lease, error) {
	ctx, lock := begin(ctx, "lock")
	defer lock.end()
	ctx, cancel := context.WithTimeout(ctx, s.LockWait)
	defer cancel()
	return s.Locks.Acquire(ctx, skus...)
}

func (s *Service) release(ctx context.Context, lease *locking.Lease) {
	// The release has a time limit of its own, whatever became of the request.
	if err := lease.Release(ctx); err != nil {
		s.Log.WarnContext(ctx, "lease was lost before its release, or the release was not confirmed", "err", err)
	}
}

// check returns the levels that the order's lines are sold from, or an error that names the
// SKU that is short or unknown.
func (s *Service) check(ctx context.Context, lease *locking.Lease, lines []Line) (map[string]stock.Level, error) {
	ctx, look := begin(ctx, "stock")
	defer look.end()
	levels, err := s.Cache.Levels(ctx, skus(lines))
	if err != nil {
		return nil, err
	}
	for _, line := range lines {
		level, known := levels[line.SKU]
		if !known {
			return nil, &stock.UnknownSKUError{SKU: line.SKU}
		}
		if level.Guard == stock.GuardClaim {
			if level, err = s.claim(ctx, lease, line.SKU); err != nil {
				return nil, err
			}
		}
		if level.OnHand < line.Quantity {
			if level, err = s.Shortages.Confirm(ctx, line.SKU, line.Quantity); err != nil {
				return nil, err
			}
		}
		if level.OnHand < line.Quantity {
			return nil, &stock.ShortError{SKU: line.SKU, Requested: line.Quantity, Remaining: max(0, level.OnHand)}
		}
		levels[line.SKU] = level
	}
	return levels, nil
}

// claim registers the lease's token in Postgres and returns the level as of then, which
// replaces the cached one.
func (s *Service) claim(ctx context.Context, lease *locking.Lease, sku string) (stock.Level, error) {
	level, ok, err := s.Store.Claim(ctx, sku, lease.Token(sku))
	if err == nil && !ok {
		err = ErrLeaseLost
	}
	return level, err
}

func (s *Service) work(ctx context.Context) error {
	if s.Work == 0 {
		return nil
	}
	select {
	case <-time.After(s.Work):
		return nil
	case <-ctx.Done():
		return stock.Unavailable("work on the order", context.Cause(ctx))
	}
}

// leftBy returns the levels that orders left, one for each SKU that they sold.
func leftBy(orders []Order, before map[string]stock.Level) []stock.Level {
	latest := map[string]stock.Level{}
	for _, order := range orders {
		for _, line := range order.Lines {
			if line.StockVersion > latest[line.SKU].Version {
				latest[line.SKU] = stock.Level{
					SKU: line.SKU, OnHand: line.Remaining, Version: line.StockVersion, Guard: before[line.SKU].Guard,
				}
			}
		}
	}
	return slices.Collect(maps.Values(latest))
}

// writeBack writes to Redis the levels that orders left. The orders are committed even if
// it fails: a stale cached level is corrected by the next newer version.
func (s *Service) writeBack(ctx context.Context, levels []stock.Level) {
	s.Shortages.Invalidate(levels...)
	if err := s.Cache.WriteBack(ctx, levels...); err != nil {
		s.Metrics.writeBackFailed()
		s.Log.WarnContext(ctx, "levels were not written back", "skus", len(levels), "err", err)
	}
}
