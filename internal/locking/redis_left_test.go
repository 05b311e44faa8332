package locking_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// mustEmpty waits until the key's queue is empty: an owner left in it would be passed a lock
// that nobody knows of.
func mustEmpty(t *testing.T, client *redis.Client, key string) {
	t.Helper()
	_, queue, _ := locking.RedisNames(key)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for client.LLen(ctx, queue).Val() > 0 {
		if ctx.Err() != nil {
			t.Fatalf("still in the queue after 20 s: %v", client.LRange(t.Context(), queue, 0, -1).Val())
		}
	}
}

func mustQueue(t *testing.T, client *redis.Client, key string, waiters int64) {
	t.Helper()
	_, queue, _ := locking.RedisNames(key)
	for client.LLen(t.Context(), queue).Val() < waiters {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
	}
}

// A wait may end after its owner was told to ask again, and before it does.
func TestRedis_whoGivesUpWhileAskingLeavesTheQueue(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	holder, waiter, client := openRedis(t, url, longTTL), openRedis(t, url, longTTL), redisClient(t, url)
	mustListen(t, waiter)
	lease := mustHold(t, holder, "a")
	for range 150 { // about one in ten met the moment
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error, 1)
		go func() { _, err := waiter.Acquire(ctx, "a"); answer <- err }()
		mustQueue(t, client, "a", 1)
		go cancel()
		locking.WakeAll(waiter)
		if err := <-answer; !errors.Is(err, locking.ErrBusy) && !errors.Is(err, locking.ErrUnavailable) {
			t.Fatal(err)
		}
		mustEmpty(t, client, "a")
	}
	lockingtest.MustRelease(t, lease)
}

// A server that is down for a moment and comes back with its data still has those owners in
// its queue that have given up meanwhile.
func TestRedis_whoGivesUpWhileTheServerIsAwayLeavesTheQueue(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Redis(t.Context(), "redis-kept", "--appendonly", "yes", "--appendfsync", "always")
	if err != nil {
		t.Fatal(err)
	}
	holder, waiter := openRedis(t, server.URL, longTTL), openRedis(t, server.URL, longTTL)
	mustListen(t, waiter)
	mustHold(t, holder, "a")
	const waiters = 4
	answers := make(chan error, waiters)
	for range waiters {
		go func() { _, err := waiter.Acquire(t.Context(), "a"); answers <- err }()
	}
	client := redisClient(t, server.URL)
	mustQueue(t, client, "a", waiters)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range waiters {
		if err := <-answers; !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("Acquire() = %v, want ErrUnavailable", err)
		}
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	mustEmpty(t, redisClient(t, server.URL), "a")
}

// A locker forgets owners that are done: a replica takes leases for months.
func TestRedis_whoIsDoneIsForgotten(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l := openRedis(t, url, longTTL)
	mustKnow := func(waiters, owners int) {
		t.Helper()
		if w, o := locking.Known(l); w != waiters || o != owners {
			t.Errorf("knows %d waiters and %d owners, want %d and %d", w, o, waiters, owners)
		}
	}
	lease := mustHold(t, l, "a")
	mustKnow(0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { _, err := l.Acquire(ctx, "a"); answer <- err }()
	mustQueue(t, redisClient(t, url), "a", 1)
	mustKnow(1, 2)
	cancel()
	if err := <-answer; !errors.Is(err, locking.ErrBusy) {
		t.Fatal(err)
	}
	mustKnow(0, 1)
	lockingtest.MustRelease(t, lease)
	mustKnow(0, 0)
	lease = mustHold(t, l, "a")
	next := lockingtest.GoAcquire(t, l, "a")
	mustQueue(t, redisClient(t, url), "a", 1)
	if !lease.PassOn(t.Context(), map[string]string{"a": "5 left"}) {
		t.Fatal("PassOn has not ended the lease, though somebody waits")
	}
	lockingtest.MustRelease(t, <-next)
	mustKnow(0, 0)
}
