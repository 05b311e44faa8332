package locking

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// Every name that this mode writes to Redis. The counter is one for all locks;
// acquire.lua says why.
const (
	redisKeyPrefix  = "orderd:lock:"
	redisCounterKey = "orderd:lock-token"
)

// minTTL leaves a renewal time for its round trip and for retries.
const minTTL = 100 * time.Millisecond

var (
	//go:embed acquire.lua
	acquireSource string
	//go:embed renew.lua
	renewSource string
	//go:embed release.lua
	releaseSource string

	acquireScript = redis.NewScript(acquireSource)
	renewScript   = redis.NewScript(renewSource)
	releaseScript = redis.NewScript(releaseSource)
)

// RedisConfig says which Redis keeps the locks and for how long.
type RedisConfig struct {
	// Server is one Redis, a Sentinel's master, or a Cluster. Time-outs and
	// retries are set by the locker.
	Server *redis.UniversalOptions
	TTL    time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner  string        // the replica; part of a lock's value, for whoever looks
}

// Redis makes all who use one Redis server take turns. Leases last for the TTL
// and are renewed. Its callers in one process come to the server one at a time
// for each key, first come, first served; processes take their chances.
type Redis struct {
	client redis.UniversalClient
	owner  string
	ttl    time.Duration
	call   time.Duration // limit of one request
	front  *Local        // one caller for each key and process asks the server

	crew   *crew
	silent atomic.Bool // the latest request got no answer
}

var _ Locker = (*Redis)(nil)

// NewRedis returns a locker. It checks the configuration but asks nothing of
// the server, which may come up later.
func NewRedis(cfg RedisConfig) (*Redis, error) {
	if err := errors.Join(checkRedis(cfg.Server), checkLease(cfg.TTL, cfg.Owner)); err != nil {
		return nil, fmt.Errorf("lock redis: %w", err)
	}
	call := callTimeout(cfg.TTL)
	return &Redis{
		client: openLockClient(cfg.Server, call),
		owner:  cfg.Owner,
		ttl:    cfg.TTL,
		call:   call,
		front:  NewLocal(),
		crew:   newCrew(),
	}, nil
}

// Ping reports whether the server answers right now.
func (r *Redis) Ping(ctx context.Context) error {
	if err := r.client.Ping(ctx).Err(); err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	return nil
}

// Close ends every wait and the leases still held, and gives what is being
// cleaned up a last try.
func (r *Redis) Close() error {
	<-r.crew.close()
	return r.client.Close()
}

// Acquire implements Locker.
func (r *Redis) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	keys, err := sortedKeys(keys)
	if err != nil {
		return nil, err
	}
	if !r.crew.join() {
		return nil, errors.Join(ErrUnavailable, errClosed)
	}
	defer r.crew.leave()
	ctx, stop := endedBy(ctx, r.crew.life, errClosed)
	defer stop()
	if !r.front.enterAll(ctx, keys) {
		return nil, waitError(ctx, !r.silent.Load())
	}
	// The front is left with the grant and not with the release, lest one
	// process pass the key around inside while others wait.
	defer r.front.leaveAll(keys)

	h := &redisHolder{redis: r, owner: r.owner + ":" + rand.Text()}
	l := newLease(r.crew.life, h, r.ttl)
	if err := h.take(ctx, l, keys); err != nil {
		_ = l.Release(ctx) // what it could not settle is settled in the background
		return nil, err
	}
	return l, nil
}

// run runs a script within the limit of one request.
func (r *Redis) run(
	ctx context.Context, s *redis.Script, keys []string, args ...any,
) *redis.Cmd {
	ctx, cancel := context.WithTimeout(ctx, r.call)
	defer cancel()
	cmd := s.Run(ctx, r.client, keys, args...)
	_, refused := errors.AsType[redis.Error](cmd.Err())
	r.silent.Store(cmd.Err() != nil && !refused)
	return cmd
}

func redisKeys(keys []string) []string {
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = redisKeyPrefix + key
	}
	return named
}
