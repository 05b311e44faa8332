package stock

import (
	"context"
	"slices"
	"time"
)

// A Direction says how a level in Redis differs from the one in Postgres.
type Direction string

// The directions. High lets orders through that Postgres then has to refuse; the others only
// cost time.
const (
	High    Direction = "high"    // Redis says that more is left
	Low     Direction = "low"     // Redis says that less is left
	Missing Direction = "missing" // Redis says nothing
	Version Direction = "version" // the level is right, its version or its guard is not
)

// Directions lists every direction.
var Directions = []Direction{High, Low, Missing, Version}

// A Drift is a SKU whose level in Redis differs from Postgres, and not just until it is written
// back.
type Drift struct {
	Direction
	Redis    Level // if it is missing, only the SKU is set
	Postgres Level // read after Redis
}

const (
	// writeBackTime is how long an order has, from its COMMIT on, to write its levels back to
	// Redis. A level that is stale for longer has drifted.
	writeBackTime = 250 * time.Millisecond
	// driftPage is how many SKUs are compared at once.
	driftPage = 1000
)

// comparison finds drifts by looking twice. The first look finds suspects, many of which are
// only waiting to be written back; the second, writeBackTime later, decides.
type comparison struct {
	store *Store
	cache *Cache
}

// suspects holds, for each SKU whose level may have drifted, the version that
// Redis should have reached.
type suspects map[string]int64

// page takes a first look at up to driftPage SKUs greater than after, and returns the last of
// them, or "" at the end of the stock.
func (c *comparison) page(ctx context.Context, after string, found suspects) (last string, err error) {
	items, err := c.store.List(ctx, after, driftPage)
	if err != nil {
		return "", err
	}
	skus := make([]string, len(items))
	for i, item := range items {
		skus[i] = item.SKU
	}
	known, err := c.cache.known(ctx, skus)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		if level, ok := known[item.SKU]; !ok || level != item.Level {
			found[item.SKU] = item.Version
		}
	}
	if len(items) < driftPage {
		return "", nil
	}
	return skus[len(skus)-1], nil
}

// reached takes a first look at SKUs that are known to have reached a version.
func (c *comparison) reached(ctx context.Context, versions map[string]int64, found suspects) error {
	for skus := range chunks(versions) {
		known, err := c.cache.known(ctx, skus)
		if err != nil {
			return err
		}
		for _, sku := range skus {
			if level, ok := known[sku]; !ok || level.Version < versions[sku] {
				found[sku] = max(found[sku], versions[sku])
			}
		}
	}
	return nil
}

// confirm takes the second look at the suspects, and passes those that have drifted to drifted,
// a page at a time.
func (c *comparison) confirm(ctx context.Context, found suspects, drifted func([]Drift) error) error {
	if len(found) == 0 {
		return nil
	}
	if err := pause(ctx, writeBackTime); err != nil {
		return err
	}
	for skus := range chunks(found) {
		// Redis first: what it holds was committed before, so Postgres, read later, must have a
		// version as high.
		known, err := c.cache.known(ctx, skus)
		if err != nil {
			return err
		}
		levels, err := c.store.Levels(ctx, skus)
		if err != nil {
			return err
		}
		var drifts []Drift
		for _, level := range levels {
			in, ok := known[level.SKU]
			if direction, yes := judge(in, ok, level, found[level.SKU]); yes {
				in.SKU = level.SKU
				drifts = append(drifts, Drift{direction, in, level})
			}
		}
		if len(drifts) == 0 {
			continue
		}
		if err := drifted(drifts); err != nil {
			return err
		}
	}
	return nil
}

// judge compares the level read from Redis with the one read later from Postgres. A version in
// Redis of at least wanted, and older than that of Postgres, is no drift: the SKU is being
// sold.
func judge(redis Level, known bool, postgres Level, wanted int64) (Direction, bool) {
	switch {
	case !known:
		return Missing, true
	case redis == postgres, redis.Version >= wanted && redis.Version < postgres.Version:
		return "", false
	case redis.OnHand > postgres.OnHand:
		return High, true
	case redis.OnHand < postgres.OnHand:
		return Low, true
	default:
		return Version, true
	}
}

// Drifts compares every level in Redis with Postgres and passes those that have drifted to
// drifted, a page at a time. It changes nothing. Its errors are ErrUnavailable and those of
// drifted.
func Drifts(ctx context.Context, store *Store, cache *Cache, drifted func([]Drift) error) error {
	c := comparison{store, cache}
	after := ""
	for {
		found := suspects{}
		last, err := c.page(ctx, after, found)
		if err != nil {
			return err
		}
		if err := c.confirm(ctx, found, drifted); err != nil || last == "" {
			return err
		}
		after = last
	}
}

// chunks yields the SKUs in pages.
func chunks(versions map[string]int64) func(func([]string) bool) {
	skus := make([]string, 0, len(versions))
	for sku := range versions {
		skus = append(skus, sku)
	}
	return slices.Chunk(skus, driftPage)
}

// pause waits for d, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
