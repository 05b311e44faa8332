package stock

import (
	"context"
	_ "embed" // for the scripts
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed put_newer.lua
	putNewerScript string
	//go:embed forget.lua
	forgetScript string

	putNewer = redis.NewScript(putNewerScript)
	forget   = redis.NewScript(forgetScript)
)

// A Cache is the copy of the stock levels in Redis. Its error is
// ErrUnavailable.
type Cache struct {
	redis redis.UniversalClient
	store levelReader
}

// levelReader reads levels from Postgres.
type levelReader interface {
	Levels(ctx context.Context, skus []string) ([]Level, error)
}

// NewCache returns the cache in client, which reads missing levels from store.
func NewCache(client redis.UniversalClient, store levelReader) *Cache {
	return &Cache{redis: client, store: store}
}

// Levels returns the levels by SKU. One that is missing in Redis is read from Postgres and
// cached; a SKU that Postgres does not have either is left out.
func (c *Cache) Levels(ctx context.Context, skus []string) (map[string]Level, error) {
	levels, err := c.known(ctx, skus)
	if err != nil {
		return nil, err
	}
	var missing []string
	for _, sku := range skus {
		if _, ok := levels[sku]; !ok {
			missing = append(missing, sku)
		}
	}
	if len(missing) == 0 {
		return levels, nil
	}
	return levels, c.rebuild(ctx, missing, levels)
}

// known returns the levels that are in Redis, by SKU.
func (c *Cache) known(ctx context.Context, skus []string) (map[string]Level, error) {
	pipe := c.redis.Pipeline()
	replies := make([]*redis.SliceCmd, len(skus))
	for i, sku := range skus {
		replies[i] = pipe.HMGet(ctx, cacheKey(sku), "level", "version", "guard")
	}
	// Exec returns the first error among the replies, or one of the whole pipeline, which the
	// replies need not carry.
	if _, err := pipe.Exec(ctx); err != nil && !isWrongType(err) {
		return nil, Unavailable("read the levels in Redis", err)
	}
	levels := make(map[string]Level, len(skus))
	for i, sku := range skus {
		values, err := replies[i].Result()
		if isWrongType(err) {
			continue
		}
		if err != nil {
			return nil, Unavailable("read the levels in Redis", err)
		}
		if level, ok := parseLevel(sku, values); ok {
			levels[sku] = level
		}
	}
	return levels, nil
}

// isWrongType reports whether a level's key holds something other than a hash. It counts as
// missing.
func isWrongType(err error) bool { return redis.HasErrorPrefix(err, "WRONGTYPE") }

// rebuild reads the missing levels from Postgres, adds them to levels and caches them.
func (c *Cache) rebuild(ctx context.Context, missing []string, levels map[string]Level) error {
	found, err := c.store.Levels(ctx, missing)
	if err != nil {
		return err
	}
	for _, level := range found {
		levels[level.SKU] = level
	}
	return c.PutNewer(ctx, found...)
}

// PutNewer writes each level to Redis unless the one there is as new or newer.
func (c *Cache) PutNewer(ctx context.Context, levels ...Level) error {
	return Unavailable("keep the levels in Redis", c.each(ctx, putNewer, levels))
}

// writeBackLimit bounds WriteBack. A lease may be held until it returns.
const writeBackLimit = 3 * time.Second

// WriteBack is PutNewer for levels that have been committed: it goes on though ctx ends, within
// a limit of its own.
func (c *Cache) WriteBack(ctx context.Context, levels ...Level) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeBackLimit)
	defer cancel()
	return c.PutNewer(ctx, levels...)
}

// forget removes each level from Redis if it is still exactly what Redis holds, or if what is
// there is no valid level.
func (c *Cache) forget(ctx context.Context, levels ...Level) error {
	return Unavailable("forget wrong levels in Redis", c.each(ctx, forget, levels))
}

// each runs the script on each level, in one pipeline.
func (c *Cache) each(ctx context.Context, script *redis.Script, levels []Level) error {
	if len(levels) == 0 {
		return nil
	}
	err := c.pipeline(ctx, script, levels)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was restarted or its scripts were flushed; a pipeline cannot load them on
		// demand.
		if err = script.Load(ctx, c.redis).Err(); err == nil {
			err = c.pipeline(ctx, script, levels)
		}
	}
	return err
}

func (c *Cache) pipeline(ctx context.Context, script *redis.Script, levels []Level) error {
	pipe := c.redis.Pipeline()
	for _, l := range levels {
		script.EvalSha(ctx, pipe, []string{cacheKey(l.SKU)}, l.OnHand, l.Version, string(l.Guard))
	}
	_, err := pipe.Exec(ctx)
	return err
}

// Ping returns an error unless Redis answers.
func (c *Cache) Ping(ctx context.Context) error {
	return Unavailable("ping the stock Redis", c.redis.Ping(ctx).Err())
}

func cacheKey(sku string) string { return "orderd:stock:" + sku }

// parseLevel parses an HMGET of level, version and guard. A hash that is absent, incomplete or
// not numeric counts as missing.
func parseLevel(sku string, values []any) (Level, bool) {
	var fields [3]string
	for i := range fields {
		s, ok := values[i].(string)
		if !ok {
			return Level{}, false
		}
		fields[i] = s
	}
	onHand, err1 := strconv.ParseInt(fields[0], 10, 64)
	version, err2 := strconv.ParseInt(fields[1], 10, 64)
	if err1 != nil || err2 != nil {
		return Level{}, false
	}
	return Level{SKU: sku, OnHand: onHand, Version: version, Guard: Guard(fields[2])}, true
}
