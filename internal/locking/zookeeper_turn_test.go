package locking_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// long is longer than these tests take: what ends earlier did not expire.
const long = 30 * time.Second

// queued waits until a queue has n places, and returns their nodes in order.
func queued(t testing.TB, conn *zk.Conn, key string, n int) (nodes []string) {
	t.Helper()
	lockingtest.Eventually(t, fmt.Sprintf("the queue has %d places", n), func() bool {
		nodes = zkNodes(t, conn, key)
		return len(nodes) == n
	})
	bySequence := func(node string) string { return node[len(node)-10:] }
	slices.SortFunc(nodes, func(a, b string) int { return strings.Compare(bySequence(a), bySequence(b)) })
	return nodes
}

// A place whose node was deleted by hand while it waited is not the first, though the one
// before it has just been released. Its owner must find out at once, and not only with its
// next regular renewal.
func TestZooKeeper_whoIsToldOfItsTurnAsksWhetherItIsThere(t *testing.T) {
	t.Parallel()
	addr, key := stacktest.ZooKeeper(t), "told"
	conn := zkClient(t, addr)
	l, other := connected(t, openZooKeeper(t, addr, long)), connected(t, openZooKeeper(t, addr, long))
	lease := mustHold(t, l, key)
	got := make(chan *locking.Lease, 1)
	go func() {
		lease, err := other.Acquire(context.Background(), key)
		if err != nil && !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("Acquire() = %v, want a lease, or ErrUnavailable", err)
		}
		got <- lease
	}()
	waiter := queued(t, conn, key, 2)[1]
	if err := conn.Delete(waiter, -1); err != nil {
		t.Fatal(err)
	}
	lockingtest.MustRelease(t, lease)
	robbed := <-got
	if robbed == nil {
		return // it has seen it in time
	}
	select {
	case <-robbed.Lost():
	case <-time.After(long / 6): // half of the time until the first renewal would be due
		t.Error("a lease without a node is not lost")
	}
	if err := robbed.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
}

// A kept place may be reused by another lease than the one that an operator has looked at.
func TestZooKeeper_operatorsTakeAwayTheTurnTheySaw(t *testing.T) {
	t.Parallel()
	addr, key := stacktest.ZooKeeper(t), "seen"
	l := connected(t, openZooKeeper(t, addr, long))
	operator := connected(t, openZooKeeper(t, addr, long))
	var seen locking.Status
	for range 20 { // until the place has been kept
		lease := mustHold(t, l, key)
		now, err := operator.Inspect(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		before, _, _ := strings.Cut(seen.Owner, "#")
		kept := before != "" && strings.HasPrefix(now.Owner, before+"#")
		if kept {
			if evicted, err := operator.Evict(t.Context(), key, seen.Owner); err != nil || evicted {
				t.Errorf("Evict(%q) = %v, %v while %q holds it, want false", seen.Owner, evicted, err, now.Owner)
			}
			if evicted, err := operator.Evict(t.Context(), key, now.Owner); err != nil || !evicted {
				t.Errorf("Evict(%q) = %v, %v, want it done", now.Owner, evicted, err)
			}
			if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
				t.Errorf("Release() = %v, want ErrLost", err)
			}
			return
		}
		lockingtest.MustRelease(t, lease)
		seen = now
	}
	t.Error("no place was kept")
}

// A server that is cut off from the others goes on answering reads for a while. The others
// end the session meanwhile: what a single server says is no reason to trust the lease.
func TestZooKeeper_aServerThatIsCutOffKeepsNoLease(t *testing.T) {
	t.Parallel()
	e, err := stacktest.Stack(t).ZooKeeperEnsemble(t.Context(), "cut-off", 3)
	if err != nil {
		t.Fatal(err)
	}
	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	alone := (leader + 1) % 3
	const timeout = 6 * time.Second // a renewal is due while the one left still answers, for 3 s
	l := connected(t, openZooKeeper(t, e.Addrs[alone], timeout))
	lease := mustHold(t, l, "k")
	for i, server := range e.Servers {
		if i != alone {
			if err := server.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = server.Signal(syscall.SIGCONT) })
		}
	}
	cut := time.Now()
	select {
	case <-lease.Lost():
	case <-time.After(20 * time.Second):
		t.Error("the lease is not lost, though most servers are silent")
	}
	if until := lease.Until(); until.After(cut.Add(timeout)) {
		t.Errorf("trusted until %v after the others fell silent, want at most %v", until.Sub(cut), timeout)
	}
}

// A server that is cut off together with its client: the others end the session, which they
// have heard of for the last time before the latest write, and let the next holder in.
func TestZooKeeper_noLeaseOutlivesItsSessionAtTheLeader(t *testing.T) {
	t.Parallel()
	e, err := stacktest.Stack(t).ZooKeeperEnsemble(t.Context(), "follower", 3)
	if err != nil {
		t.Fatal(err)
	}
	leader, err := e.Leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	follower := e.Servers[(leader+1)%3]
	const timeout = 6 * time.Second
	next := connected(t, openZooKeeper(t, e.Addrs[leader], timeout))
	lockingtest.MustRelease(t, mustHold(t, next, "k"))
	l := connected(t, openZooKeeper(t, e.Addrs[(leader+1)%3], timeout))
	time.Sleep(timeout * 5 / 8) // the time itself is tested: right before the client's second ping
	lease := mustHold(t, l, "k")
	if err := follower.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = follower.Signal(syscall.SIGCONT) })
	ctx, cancel := context.WithTimeout(t.Context(), 4*timeout)
	defer cancel()
	second, err := next.Acquire(ctx, "k")
	if err != nil {
		t.Fatal(err)
	}
	if lease.Check(0) == nil {
		t.Errorf("two leases are trusted at once, the first for %v more", time.Until(lease.Until()))
	}
	lockingtest.MustRelease(t, second)
}

// Whoever enters the queue of a kept place comes before the process that keeps it.
func TestZooKeeper_aPlaceThatIsKeptIsNobodysTurn(t *testing.T) {
	t.Parallel()
	addr, key := stacktest.ZooKeeper(t), "kept"
	conn := zkClient(t, addr)
	l := connected(t, openZooKeeper(t, addr, long))
	lockingtest.MustRelease(t, mustHold(t, l, key))
	for range 20 {
		lockingtest.MustRelease(t, mustHold(t, l, key)) // reusing the kept place
		folder := locking.ZKFolder(key)
		answers, err := conn.Multi(
			&zk.CreateRequest{Path: folder + "/stranger-", Acl: zk.WorldACL(zk.PermAll), Flags: zk.FlagEphemeralSequential},
			&zk.SetDataRequest{Path: folder, Version: -1})
		if err != nil {
			t.Fatal(err)
		}
		stranger := answers[0].String
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		lease, err := l.Acquire(ctx, key)
		cancel()
		if err == nil {
			t.Error("the key was granted ahead of one who came before")
			lockingtest.MustRelease(t, lease)
		}
		if nodes := queued(t, conn, key, 1); nodes[0] != stranger {
			t.Errorf("the queue has %q, want the stranger alone", nodes)
		}
		if err := conn.Delete(stranger, -1); err != nil {
			t.Fatal(err)
		}
	}
	queued(t, conn, key, 0) // a kept place is given up even if nobody asks for it
}

// A lease that reuses a kept place is like any other.
func TestZooKeeper_turnsByAKeptPlaceAreFencedAndSeen(t *testing.T) {
	t.Parallel()
	addr, key := stacktest.ZooKeeper(t), "again"
	conn := zkClient(t, addr)
	l := connected(t, openZooKeeper(t, addr, long))
	var token int64
	nodes := map[string]int{}
	for range 20 {
		lease := mustHold(t, l, key)
		if lease.Token(key) <= token {
			t.Errorf("the token %d comes after %d", lease.Token(key), token)
		}
		token = lease.Token(key)
		status, err := l.Inspect(t.Context(), key)
		if err != nil || status.Token != token || status.Waiters != 0 {
			t.Errorf("Inspect() = %+v, %v; want the token %d", status, err, token)
		}
		for _, node := range queued(t, conn, key, 1) {
			nodes[node]++
		}
		lockingtest.MustRelease(t, lease)
	}
	if len(nodes) == 20 {
		t.Error("each turn had a node of its own: none was kept")
	}
	lease := mustHold(t, l, key)
	for _, node := range queued(t, conn, key, 1) {
		if err := conn.Delete(node, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() of a place that is not there = %v, want ErrLost", err)
	}
	lockingtest.MustRelease(t, mustHold(t, l, key))
}
