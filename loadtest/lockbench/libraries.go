package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"
	"github.com/go-zookeeper/zk"
	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
	"github.com/redis/rueidis/rueidislock"
)

// connections is how many a process needs so that its waiters do not wait for one.
func connections(waiters int) int { return waiters + 2 }

func redisClient(s servers, waiters int) *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.redis, PoolSize: connections(waiters)})
}

type redsyncLock struct{ mutex *redsync.Mutex }

// Lock implements lock.
func (l redsyncLock) Lock(ctx context.Context) error { return l.mutex.LockContext(ctx) }

// Unlock implements lock.
func (l redsyncLock) Unlock(ctx context.Context) error {
	ok, err := l.mutex.UnlockContext(ctx)
	if err == nil && !ok {
		return fmt.Errorf("redsync did not unlock")
	}
	return err
}

func redsyncDelay(d time.Duration) redsync.Option { return redsync.WithRetryDelay(d) }

// openRedsync leaves all options but the given ones at their defaults, except that tries are
// unlimited: the default of 32 is used up after some seconds.
func openRedsync(options ...redsync.Option) func(servers, int) (opened, error) {
	return func(s servers, waiters int) (opened, error) {
		client := redisClient(s, waiters)
		rs := redsync.New(goredis.NewPool(client))
		options := append([]redsync.Option{redsync.WithTries(math.MaxInt32)}, options...)
		return opened{
			lock:  func(key string) lock { return redsyncLock{rs.NewMutex(key, options...)} },
			close: func() { client.Close() },
		}, nil
	}
}

type redislockLock struct {
	client *redislock.Client
	key    string
	retry  redislock.RetryStrategy
	held   *redislock.Lock
}

// Lock implements lock. Without a deadline the library would give up after a TTL; ctx has
// one.
func (l *redislockLock) Lock(ctx context.Context) (err error) {
	l.held, err = l.client.Obtain(ctx, l.key, ttl, &redislock.Options{RetryStrategy: l.retry})
	return err
}

// Unlock implements lock.
func (l *redislockLock) Unlock(ctx context.Context) error { return l.held.Release(ctx) }

func openRedislock(every time.Duration) func(servers, int) (opened, error) {
	return func(s servers, waiters int) (opened, error) {
		client := redisClient(s, waiters)
		locks := redislock.New(client)
		return opened{
			lock: func(key string) lock {
				return &redislockLock{client: locks, key: key, retry: redislock.LinearBackoff(every)}
			},
			close: func() { client.Close() },
		}, nil
	}
}

type rueidisLock struct {
	locker rueidislock.Locker
	key    string
	unlock context.CancelFunc
}

// Lock implements lock. The context that the library ends with the lock is not used.
func (l *rueidisLock) Lock(ctx context.Context) (err error) {
	_, l.unlock, err = l.locker.WithContext(ctx, l.key)
	return err
}

// Unlock implements lock. The library reports no error.
func (l *rueidisLock) Unlock(context.Context) error {
	l.unlock()
	return nil
}

// openRueidislock opens a locker that needs that many keys, of twice as many less one, all on
// one server; 0: the library's default.
func openRueidislock(majority int32) func(servers, int) (opened, error) {
	return func(s servers, _ int) (opened, error) {
		noLoop, err := hasNoLoop(s)
		if err != nil {
			return opened{}, err
		}
		locker, err := rueidislock.NewLocker(rueidislock.LockerOption{
			ClientOption: rueidis.ClientOption{InitAddress: []string{s.redis}}, KeyMajority: majority, KeyValidity: ttl,
			NoLoopTracking: noLoop && majority == 1,
		})
		if err != nil {
			return opened{}, err
		}
		return opened{
			lock:  func(key string) lock { return &rueidisLock{locker: locker, key: key} },
			close: locker.Close,
		}, nil
	}
}

// hasNoLoop reports whether the server, from 7.0.5 on, can leave a client's own writes out of
// what it tells that client.
func hasNoLoop(s servers) (bool, error) {
	client := redisClient(s, 1)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	info, err := client.InfoMap(ctx, "server").Result()
	if err != nil {
		return false, err
	}
	var major, minor, patch int
	if _, err := fmt.Sscanf(info["Server"]["redis_version"], "%d.%d.%d", &major, &minor, &patch); err != nil {
		return false, fmt.Errorf("version of Redis: %w", err)
	}
	return major*10_000+minor*100+patch >= 7_00_05, nil
}

type zkLock struct{ lock *zk.Lock }

// Lock implements lock. The library takes no context.
func (l zkLock) Lock(context.Context) error { return l.lock.Lock() }

// Unlock implements lock.
func (l zkLock) Unlock(context.Context) error { return l.lock.Unlock() }

func openZKLock(s servers, _ int) (opened, error) {
	conn, err := zooKeeperClient(s)
	if err != nil {
		return opened{}, err
	}
	return opened{
		lock:  func(key string) lock { return zkLock{zk.NewLock(conn, "/lockbench/"+key, zk.WorldACL(zk.PermAll))} },
		close: conn.Close,
	}, nil
}

func zooKeeperClient(s servers) (*zk.Conn, error) {
	conn, _, err := zk.Connect([]string{s.zooKeeper}, ttl, zk.WithLogInfo(false))
	return conn, err
}
