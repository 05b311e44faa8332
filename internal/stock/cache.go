package stock

import (
	"context"
	_ "embed" // for learn.lua
	"strconv"

	"github.com/redis/go-redis/v9"
)

//go:embed learn.lua
var learnScript string

var learn = redis.NewScript(learnScript)

// A Cache is the copy of the stock levels in Redis. Its error is
// ErrUnavailable.
type Cache struct {
	redis redis.UniversalClient
	store levelReader
}

// levelReader is where a missing level is read again.
type levelReader interface {
	Levels(ctx context.Context, skus []string) ([]Level, error)
}

// NewCache returns the levels in client, rebuilt from store where they are
// missing.
func NewCache(client redis.UniversalClient, store levelReader) *Cache {
	return &Cache{redis: client, store: store}
}

// Levels returns the level of each SKU by its name. A SKU that Redis does not
// know is read from Postgres and kept; one that is not there either is left out.
func (c *Cache) Levels(ctx context.Context, skus []string) (map[string]Level, error) {
	pipe := c.redis.Pipeline()
	replies := make([]*redis.SliceCmd, len(skus))
	for i, sku := range skus {
		replies[i] = pipe.HMGet(ctx, cacheKey(sku), "level", "version", "guard")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, Unavailable("read the levels in Redis", err)
	}
	levels := make(map[string]Level, len(skus))
	var missing []string
	for i, sku := range skus {
		level, ok := parseLevel(sku, replies[i].Val())
		if !ok {
			missing = append(missing, sku)
			continue
		}
		levels[sku] = level
	}
	if len(missing) == 0 {
		return levels, nil
	}
	return levels, c.rebuild(ctx, missing, levels)
}

// rebuild reads the missing levels from Postgres into levels and keeps them.
func (c *Cache) rebuild(ctx context.Context, missing []string, levels map[string]Level) error {
	found, err := c.store.Levels(ctx, missing)
	if err != nil {
		return err
	}
	for _, level := range found {
		levels[level.SKU] = level
	}
	return c.Learn(ctx, found...)
}

// Learn keeps each level unless a newer one is known.
func (c *Cache) Learn(ctx context.Context, levels ...Level) error {
	if len(levels) == 0 {
		return nil
	}
	err := c.learn(ctx, levels)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		// The server was restarted or flushed; in a pipeline the script is not sent along by itself.
		if err = learn.Load(ctx, c.redis).Err(); err == nil {
			err = c.learn(ctx, levels)
		}
	}
	return Unavailable("keep the levels in Redis", err)
}

func (c *Cache) learn(ctx context.Context, levels []Level) error {
	pipe := c.redis.Pipeline()
	for _, l := range levels {
		learn.EvalSha(ctx, pipe, []string{cacheKey(l.SKU)}, l.OnHand, l.Version, string(l.Guard))
	}
	_, err := pipe.Exec(ctx)
	return err
}

// Ping tells whether Redis answers.
func (c *Cache) Ping(ctx context.Context) error {
	return Unavailable("ping the stock Redis", c.redis.Ping(ctx).Err())
}

func cacheKey(sku string) string { return "orderd:stock:" + sku }

// parseLevel reads an HMGET of level, version and guard. A hash that is not
// there or not whole counts as missing.
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
