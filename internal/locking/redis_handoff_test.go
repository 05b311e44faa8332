package locking_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// waitFor has a caller of l wait for a key. It returns once the waiter is in the queue; the
// channel will deliver its lease.
func waitFor(t *testing.T, l *locking.Redis, key string) <-chan *locking.Lease {
	t.Helper()
	mustListen(t, l)
	before := waitersOf(t, l, key)
	got := lockingtest.GoAcquire(t, l, key)
	lockingtest.Eventually(t, "the waiter is in the queue", func() bool {
		return waitersOf(t, l, key) != before
	})
	return got
}

// mustListen waits until the locker listens on its channel: it connects in the background,
// and until then the waiters of its process count as dead.
func mustListen(t *testing.T, l *locking.Redis) {
	t.Helper()
	lockingtest.Eventually(t, "the locker listens", func() bool {
		listens, err := locking.Listens(t.Context(), l)
		if err != nil {
			t.Fatalf("the locker is not heard of: %v", err)
		}
		return listens
	})
}

func waitersOf(t *testing.T, l *locking.Redis, key string) int {
	t.Helper()
	s, err := l.Inspect(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return s.Waiters
}

// mustReleaseBoth releases the leases of two waiters, in whatever order they get them.
func mustReleaseBoth(t *testing.T, first, second <-chan *locking.Lease) {
	t.Helper()
	for range 2 {
		select {
		case lease := <-first:
			first = nil
			lockingtest.MustRelease(t, lease)
		case lease := <-second:
			second = nil
			lockingtest.MustRelease(t, lease)
		}
	}
}

// A release notifies the next waiter, and nobody polls.
func TestRedis_waitersAreToldTheirTurn(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l := openRedis(t, url, longTTL)
	for range 10 {
		lease := mustHold(t, l, "a")
		next := waitFor(t, l, "a")
		lockingtest.MustRelease(t, lease)
		lockingtest.MustRelease(t, <-next)
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
	l, client := openRedis(t, url, longTTL), redisClient(t, url)
	lease := mustHold(t, l, "a")
	_, queue, _ := locking.RedisNames("a")
	for _, ghost := range []string{"r9:GONE:1", "r9:GONE:2"} {
		if err := client.RPush(t.Context(), queue, ghost).Err(); err != nil {
			t.Fatal(err)
		}
	}
	next := waitFor(t, l, "a")
	lockingtest.MustRelease(t, lease)
	if s, err := l.Inspect(t.Context(), "a"); err != nil || !strings.HasPrefix(s.Owner, "test:") {
		t.Errorf("right after the release the lock is %+v, %v; want the waiter's", s, err)
	}
	lockingtest.MustRelease(t, <-next)
}

// A process that is paused still counts as a listener. It holds the others up for one hand-over
// TTL, however many of its callers are in the queue.
func TestRedis_onlyOneTurnIsLostToAPausedProcess(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longTTL), redisClient(t, url)
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
	lockingtest.MustRelease(t, lease)
	mustReleaseBoth(t, first, second)
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
	l := openRedis(t, stacktest.Redis(t), longTTL)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	lockingtest.MustRelease(t, lease)
	got := <-next
	deadline := time.Now().Add(20 * time.Second)
	for time.Until(got.Until()) < longTTL/2 {
		if err := got.Check(0); err != nil || time.Now().After(deadline) {
			t.Fatalf("the lease ends in %v, %v; want it renewed", time.Until(got.Until()), err)
		}
	}
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Until.Before(got.Until()) || s.Token != got.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want the end not before %v and token %d", s, err, got.Until(), got.Token("a"))
	}
	lockingtest.MustRelease(t, got)
}

// A holder whose margin exceeds the hand-over TTL has that much left from the start.
func TestRedis_aLeaseThatWasPassedOnLeavesTheMargin(t *testing.T) {
	t.Parallel()
	server, err := redisOptions(stacktest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	const margin = 5 * time.Second
	r, err := locking.NewRedis(locking.RedisConfig{Server: server, TTL: longTTL, Owner: "test", Margin: margin})
	l := closing(t, r, err)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	lockingtest.MustRelease(t, lease)
	got := <-next
	if err := got.Check(margin); err != nil {
		t.Error(err)
	}
	lockingtest.MustRelease(t, got)
}

// Messages are lost with the connection that carries them.
func TestRedis_aLostMessageCostsNoTurn(t *testing.T) {
	t.Parallel()
	server, err := stacktest.Stack(t).Redis(t.Context(), fmt.Sprintf("redis-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	l, client := openRedis(t, server.URL, longTTL), redisClient(t, server.URL)
	for range 5 {
		lease := mustHold(t, l, "a")
		first, second := waitFor(t, l, "a"), waitFor(t, l, "a")
		if n := client.Do(t.Context(), "CLIENT", "KILL", "TYPE", "pubsub").Val(); n == int64(0) {
			t.Fatal("nobody listens")
		}
		lockingtest.MustRelease(t, lease)
		mustReleaseBoth(t, first, second)
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
	l, client := openRedis(t, url, longTTL), redisClient(t, url)
	lease := mustHold(t, l, "a")
	next := waitFor(t, l, "a")
	_, queue, _ := locking.RedisNames("a")
	if left := client.PTTL(t.Context(), queue).Val(); left <= 0 || left > longTTL {
		t.Errorf("the queue has %v left, want up to %v", left, longTTL)
	}
	lockingtest.MustRelease(t, lease)
	lockingtest.MustRelease(t, <-next)
}
