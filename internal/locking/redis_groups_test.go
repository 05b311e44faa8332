package locking_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
)

// groupOptions returns the suite's options for a group of Redis servers that all tests share.
// Tests that stop or kill a server do that to one that stands alone: they test the locker's
// own time-outs, which do not depend on what it talks to.
func groupOptions(t testing.TB, server *redis.UniversalOptions) lockingtest.Options {
	open := func(t testing.TB, server *redis.UniversalOptions, ttl time.Duration) locking.Locker {
		t.Helper()
		r, err := locking.NewRedis(locking.RedisConfig{Server: server, TTL: ttl, Owner: "test"})
		return closing(t, r, err)
	}
	client := redis.NewUniversalClient(server)
	t.Cleanup(func() { _ = client.Close() })
	const group = "group"
	return lockingtest.Options{
		Exclusive: true, CrossProcess: true, Leased: true, Fenced: true, Ordered: true, Tells: true,
		TTL: ttl,
		Backend: func(testing.TB) lockingtest.Backend {
			return lockingtest.Backend{
				Addr:    group,
				Open:    func(t testing.TB) locking.Locker { return open(t, server, ttl) },
				Residue: func(t testing.TB, keys ...string) []string { return redisResidue(t, client, keys) },
				Delete:  func(t testing.TB, key string) { deleteRedisLock(t, client, key) },
			}
		},
		StartServer: startRedis,
		OpenAt: func(t testing.TB, addr string, ttl time.Duration) locking.Locker {
			if addr == group {
				return open(t, server, ttl)
			}
			return openRedis(t, redisScheme+addr, ttl)
		},
	}
}

func TestRedis_Sentinel(t *testing.T) {
	t.Parallel()
	s := stacktest.Sentinel(t)
	lockingtest.Run(t, groupOptions(t, &redis.UniversalOptions{Addrs: s.Addrs, MasterName: s.MasterName}))
}

func TestRedis_Cluster(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, groupOptions(t, &redis.UniversalOptions{Addrs: stacktest.RedisCluster(t).Addrs, IsClusterMode: true}))
}

// A lock that enough replicas have survives a failover to one of them.
func TestRedis_acknowledgedLockSurvivesTheMaster(t *testing.T) {
	t.Parallel()
	s := startSentinel(t)
	server := &redis.UniversalOptions{Addrs: s.Addrs, MasterName: s.MasterName}
	open := func(acks int) *locking.Redis {
		r, err := locking.NewRedis(locking.RedisConfig{Server: server, TTL: longTTL, Owner: "test", Acks: acks})
		return closing(t, r, err)
	}
	l := open(len(s.Replicas))
	lease := mustHold(t, l, "a")
	token := lease.Token("a")
	if err := s.Master.Kill(); err != nil {
		t.Fatal(err)
	}
	other := open(0)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var status locking.Status
	var next int64
	for {
		var err, err2 error
		status, err = other.Inspect(ctx, "a")
		next, err2 = other.NextToken(ctx, "a")
		if err == nil && err2 == nil {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("no failover: %v", errors.Join(err, err2))
		}
	}
	if status.Token != token || next <= token {
		t.Errorf("after the failover the lock is %+v and the next token %d, want the token %d and more", status, next, token)
	}
}

// With fewer acknowledgements than asked for nothing is granted, and what the master has
// stored is deleted.
func TestRedis_withoutAcknowledgementsNothingIsGranted(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	server, err := redisOptions(url)
	if err != nil {
		t.Fatal(err)
	}
	r, err := locking.NewRedis(locking.RedisConfig{Server: server, TTL: longTTL, Owner: "test", Acks: 1})
	l, client := closing(t, r, err), redisClient(t, url)
	deadline := time.Now().Add(20 * time.Second)
	for told := false; !told; { // on a busy machine a request may take too long
		_, err := l.Acquire(t.Context(), "a")
		if !errors.Is(err, locking.ErrUnavailable) || time.Now().After(deadline) {
			t.Fatalf("Acquire() = %v, want ErrUnavailable for want of replicas", err)
		}
		told = strings.Contains(err.Error(), "too few replicas")
	}
	for len(redisResidue(t, client, []string{"a"})) > 0 {
		if time.Now().After(deadline) {
			t.Fatal("the lock that was not acknowledged is still there")
		}
	}
}

// When a Cluster has replaced a dead master, the locks of that one are served again as soon
// as the locker has renewed its view.
func TestRedis_findsTheMasterInADeadOnesPlace(t *testing.T) {
	t.Parallel()
	c, err := stacktest.Stack(t).RedisCluster(t.Context(), fmt.Sprintf("cluster-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, node := range c.Nodes {
			_ = node.Kill()
		}
	})
	r, err := locking.NewRedis(locking.RedisConfig{
		Server: &redis.UniversalOptions{Addrs: c.Addrs, IsClusterMode: true}, TTL: longTTL, Owner: "test",
	})
	l := closing(t, r, err)
	const keys = 12 // some of them are in the dead master's slots
	for i := range keys {
		if err := mustHold(t, l, fmt.Sprint("before-", i)).Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Nodes[3].Do(t.Context(), "CLUSTER", "FAILOVER", "TAKEOVER"); err != nil {
		t.Fatal(err)
	}
	limit, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a third of the library's interval
	defer cancel()
	for i := range keys {
		for {
			lease, err := l.Acquire(limit, fmt.Sprint("after-", i))
			if err == nil {
				_ = lease.Release(limit)
				break
			}
			if limit.Err() != nil {
				t.Fatalf("key %d: %v, want it granted by the new master", i, err)
			}
		}
	}
}

func startSentinel(t testing.TB) *stack.Sentinel {
	t.Helper()
	s, err := stacktest.Stack(t).Sentinel(t.Context(), fmt.Sprintf("sentinel-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, p := range s.Sentinels {
			_ = p.Kill()
		}
		for _, r := range append(s.Replicas, s.Master) {
			_ = r.Kill()
		}
	})
	return s
}

func redisResidue(t testing.TB, client redis.UniversalClient, keys []string) (left []string) {
	t.Helper()
	for _, key := range keys {
		lock, queue, _ := locking.RedisNames(key)
		held, err := client.Exists(t.Context(), lock).Result()
		waiting, err2 := client.LLen(t.Context(), queue).Result()
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		left = append(left, slices.Repeat([]string{key}, int(held+waiting))...)
	}
	return left
}

func deleteRedisLock(t testing.TB, client redis.UniversalClient, key string) {
	t.Helper()
	lock, _, _ := locking.RedisNames(key)
	if n := client.Del(t.Context(), lock).Val(); n != 1 {
		t.Fatalf("DEL of %q deleted %d keys", key, n)
	}
}

func startRedis(t testing.TB) lockingtest.Server {
	t.Helper()
	r, err := stacktest.Stack(t).Redis(t.Context(), fmt.Sprintf("redis-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Kill() })
	return lockingtest.Server{Addr: r.Addr, Process: r.Process}
}
