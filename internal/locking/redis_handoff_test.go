package locking_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

// waitFor has a caller of l wait for a key. It returns once the waiter is in the queue; the
// channel will deliver its lease.
func waitFor(t *testing.T, l *locking.Redis, key string) <-chan *locking.Lease {
	t.Helper()
	mustListen(t, l)
	before := waitersOf(t, l, key)
	got := make(chan *locking.Lease, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		defer cancel()
		lease, err := l.Acquire(ctx, key)
		if err != nil {
			t.Errorf("Acquire() = %v", err)
		}
		got <- lease
	}()
	for waitersOf(t, l, key) == before {
		if ctx.Err() != nil {
			t.Fatal("the waiter is not in the queue")
		}
	}
	return got
}

// mustListen waits until the locker listens on its channel: it connects in the background,
// and until then the waiters of its process count as dead.
func mustListen(t *testing.T, l *locking.Redis) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if listens, err := locking.Listens(ctx, l); err != nil {
			t.Fatalf("the locker is not heard of: %v", err)
		} else if listens {
			return
		}
	}
}

func waitersOf(t *testing.T, l *locking.Redis, key string) int {
	t.Helper()
	s, err := l.Inspect(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return s.Waiters
}

func mustHold(t *testing.T, l locking.Locker, key string) *locking.Lease {
	t.Helper()
	lease, err := l.Acquire(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func mustGiveBack(t *testing.T, lease *locking.Lease) {
	t.Helper()
	if lease == nil {
		t.Fatal("no lease")
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

// mustGiveBackBoth releases the leases of two waiters, in whatever order they get them.
func mustGiveBackBoth(t *testing.T, first, second <-chan *locking.Lease) {
	t.Helper()
	for range 2 {
		select {
		case lease := <-first:
			first = nil
			mustGiveBack(t, lease)
		case lease := <-second:
			second = nil
			mustGiveBack(t, lease)
		}
	}
}

// longest is a TTL beyond the end of any test: nothing that a test sees happen is due to a
// lock's expiry.
const longest = time.Minute

// A release notifies the next waiter, and nobody polls.
func TestRedis_waitersAreToldTheirTurn(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l := openRedis(t, url, longest).(*locking.Redis)
	for range 10 {
		lease := mustHold(t, l, "a")
		next := waitFor(t, l, "a")
		mustGiveBack(t, lease)
		mustGiveBack(t, <-next)
	}
	if turns := locking.WokenByTurn(l); turns < 8 { // a timer may have been first
		t.Errorf("of 10 waiters %d were told their turn", turns)
	}
}

// A process that is gone is known by its channel, on which nobody listens: its waiter is
// passed over at once, and not only when the hand-over TTL is over.
func TestRedis_turnOfAProcessThatIsGonePasses(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longest).(*locking.Redis), redisClient(t, url)
	lease := mustHold(t, l, "a")
	_, queue, _ := locking.RedisNames("a")
	for _, ghost := range []string{"r9:GONE:1", "r9:GONE:2"} {
		if err := client.RPush(t.Context(), queue, ghost).Err(); err != nil {
			t.Fatal(err)
		}
	}
	next := waitFor(t, l, "a")
	mustGiveBack(t, lease)
	if s, err := l.Inspect(t.Context(), "a"); err != nil || !strings.HasPrefix(s.Owner, "test:") {
		t.Errorf("right after the release the lock is %+v, %v; want the waiter's", s, err)
	}
	mustGiveBack(t, <-next)
}

// A process that is paused still counts as a listener. It holds the others up for one hand-over
// TTL, however many of its callers are in the queue.
func TestRedis_onlyOneTurnIsLostToAPausedProcess(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longest).(*locking.Redis), redisClient(t, url)
	paused := client.Subscribe(t.Context(), "orderd:wake:PAUSED")
	t.Cleanup(func() { _ = paused.Close() })
	if _, err := paused.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	lease := mustHold(t, l, "a")
	_, queue, _ := locking.RedisNames("a")
	for i := range 5 {
		if err := client.RPush(t.Context(), queue, fmt.Sprintf("r9:PAUSED:%d", i)).Err(); err != nil {
			t.Fatal(err)
		}
	}
	first, second := waitFor(t, l, "a"), waitFor(t, l, "a")
	mustGiveBack(t, lease)
	mustGiveBackBoth(t, first, second)
	if err := client.Publish(t.Context(), "orderd:wake:PAUSED", "end").Err(); err != nil {
		t.Fatal(err)
	}
	turns := 0
	for {
		message, err := paused.ReceiveMessage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if message.Payload == "end" {
			break
		}
		turns++
	}
	if turns != 1 {
		t.Errorf("the paused process was passed the lock %d times, want once", turns)
	}
}

// A lock that is passed on is granted for a short time at first.
func TestRedis_aLeaseThatWasPassedOnIsKept(t *testing.T) {
	t.Parallel()
	l := openRedis(t, stacktest.Redis(t), longest).(*locking.Redis)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	mustGiveBack(t, lease)
	got := <-next
	deadline := time.Now().Add(20 * time.Second)
	for time.Until(got.Until()) < longest/2 {
		if err := got.Check(0); err != nil || time.Now().After(deadline) {
			t.Fatalf("the lease ends in %v, %v; want it renewed", time.Until(got.Until()), err)
		}
	}
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Until.Before(got.Until()) || s.Token != got.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want the end not before %v and token %d", s, err, got.Until(), got.Token("a"))
	}
	mustGiveBack(t, got)
}

// A holder whose margin exceeds the hand-over TTL has that much left from the start.
func TestRedis_aLeaseThatWasPassedOnLeavesTheMargin(t *testing.T) {
	t.Parallel()
	server, err := redisOptions(stacktest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	const margin = 5 * time.Second
	r, err := locking.NewRedis(locking.RedisConfig{Server: server, TTL: longest, Owner: "test", Margin: margin})
	l := closing(t, r, err)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	mustGiveBack(t, lease)
	got := <-next
	if err := got.Check(margin); err != nil {
		t.Error(err)
	}
	mustGiveBack(t, got)
}

// Messages are lost with the connection that carries them.
func TestRedis_aLostMessageCostsNoTurn(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Redis(t.Context(), fmt.Sprintf("redis-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	l, client := openRedis(t, server.URL, longest).(*locking.Redis), redisClient(t, server.URL)
	for range 5 {
		lease := mustHold(t, l, "a")
		first, second := waitFor(t, l, "a"), waitFor(t, l, "a")
		if n := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Val(); n == int64(0) {
			t.Fatal("nobody listens")
		}
		mustGiveBack(t, lease)
		mustGiveBackBoth(t, first, second)
	}
	// A waiter that learns that messages may have been lost does not wait for its timer.
	if locking.WokenByReconnect(l) == 0 {
		t.Error("nobody was woken when the connection was there again")
	}
}

// A queue of dead waiters expires once no live one renews it.
func TestRedis_queueOfTheDeadExpires(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longest).(*locking.Redis), redisClient(t, url)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	_, queue, _ := locking.RedisNames("a")
	if left := client.PTTL(t.Context(), queue).Val(); left <= 0 || left > longest {
		t.Errorf("the queue has %v left, want up to %v", left, longest)
	}
	mustGiveBack(t, lease)
	mustGiveBack(t, <-next)
}
