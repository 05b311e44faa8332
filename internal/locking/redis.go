package locking

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
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

	// The client library logs to stderr, through one logger for the process,
	// what its callers are told as errors anyway.
	silenceRedis = sync.OnceFunc(func() { redis.SetLogger(noLogger{}) })
)

type noLogger struct{}

func (noLogger) Printf(context.Context, string, ...any) {}

// RedisConfig says which Redis keeps the locks and for how long.
type RedisConfig struct {
	URL   string        // redis:// or rediss://; the time-outs in it are replaced
	TTL   time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner string        // the replica; part of a lock's value, for whoever looks
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
	opt, err := redis.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("lock redis: %w", err)
	}
	if cfg.TTL < minTTL {
		return nil, fmt.Errorf("lock redis: TTL %v is below %v", cfg.TTL, minTTL)
	}
	if cfg.Owner == "" {
		return nil, errors.New("lock redis: owner is empty")
	}
	silenceRedis()

	// A lock is worth nothing once its TTL is over, so every step of a request
	// is limited well below that, and no request is repeated behind our back.
	call := callTimeout(cfg.TTL)
	opt.ContextTimeoutEnabled = true
	opt.MaxRetries = -1
	opt.DialerRetries = 1
	opt.DialTimeout, opt.ReadTimeout, opt.WriteTimeout, opt.PoolTimeout = call, call, call, call
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	return &Redis{
		client: redis.NewClient(opt),
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

// neverSent tells an error that came before the request could leave.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// dropped tells the loss of a connection that had been good: the server may
// well be there.
func dropped(err error) bool {
	if _, refused := errors.AsType[redis.Error](err); refused || neverSent(err) {
		return false
	}
	network, ok := errors.AsType[net.Error](err)
	late := errors.Is(err, context.DeadlineExceeded) || ok && network.Timeout()
	return !late
}

func redisKeys(keys []string) []string {
	named := make([]string, len(keys))
	for i, key := range keys {
		named[i] = redisKeyPrefix + key
	}
	return named
}
