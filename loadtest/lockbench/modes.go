package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// leased is the lock of one of orderd's modes.
type leased struct {
	locker locking.Locker
	key    string
	lease  *locking.Lease
}

// Lock implements lock.
func (l *leased) Lock(ctx context.Context) (err error) {
	l.lease, err = l.locker.Acquire(ctx, l.key)
	return err
}

// Unlock implements lock.
func (l *leased) Unlock(ctx context.Context) error { return l.lease.Release(ctx) }

func mode(l locking.Locker, err error) (opened, error) {
	if err != nil {
		return opened{}, err
	}
	return opened{
		lock:  func(key string) lock { return &leased{locker: l, key: key} },
		close: func() { l.Close() },
	}, nil
}

func owner() string { return fmt.Sprintf("lockbench-%d", os.Getpid()) }

func openLocal(servers, int) (opened, error) { return mode(locking.NewLocal(), nil) }

func openRedisMode(s servers, waiters int) (opened, error) {
	l, err := locking.NewRedis(locking.RedisConfig{
		Server: &redis.UniversalOptions{Addrs: []string{s.redis}, PoolSize: connections(waiters)},
		TTL:    ttl, Owner: owner(),
	})
	return mode(l, err)
}

func openZooKeeperMode(s servers, _ int) (opened, error) {
	l, err := locking.NewZooKeeper(locking.ZooKeeperConfig{
		Servers: []string{s.zooKeeper}, SessionTimeout: ttl, Owner: owner(),
	})
	return mode(l, err)
}

func openPostgresMode(s servers, waiters int) (opened, error) {
	l, err := locking.NewPostgres(locking.PostgresConfig{
		URL: s.postgres, TTL: ttl, Owner: owner(), MaxConns: connections(waiters),
	})
	return mode(l, err)
}

func openRedlockMode(s servers, waiters int) (opened, error) {
	var masters []*redis.UniversalOptions
	for addr := range strings.SplitSeq(s.masters, ",") {
		masters = append(masters, &redis.UniversalOptions{Addrs: []string{addr}, PoolSize: connections(waiters)})
	}
	l, err := locking.NewRedlock(locking.RedlockConfig{Masters: masters, TTL: ttl, Owner: owner()})
	return mode(l, err)
}
