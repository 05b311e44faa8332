package locking_test

import (
	"syscall"
	"testing"

	"orderd/internal/locking/lockingtest"
)

func TestRedlock_tokensGrowFromQuorumToQuorum(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, longTTL)
	// The clock does not help here: the first master's counter is far ahead of it, and later
	// quorums know of that only through those in between.
	const ahead = 9_000_000_000_000_000 // near the end of what a script can count
	if err := f.clients[0].Set(t.Context(), "orderd:redlock-token", int64(ahead), 0).Err(); err != nil {
		t.Fatal(err)
	}
	last := int64(ahead)
	grow := func() {
		t.Helper()
		lease := lockingtest.MustAcquire(t, l, "a")
		if token := lease.Token("a"); token <= last {
			t.Errorf("token %d after %d", token, last)
		}
		last = lease.Token("a")
		lockingtest.MustRelease(t, lease)
	}
	for i := range 10 {
		away := []int{(i + 3) % 5, (i + 4) % 5}
		f.signal(t, syscall.SIGSTOP, away...)
		grow()
		f.signal(t, syscall.SIGCONT, away...)
	}
}

func TestRedlock_tokensGrowThoughAMasterLostItsData(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, longTTL)
	var last int64
	for i := range 10 {
		lease := lockingtest.MustAcquire(t, l, "a")
		if token := lease.Token("a"); token <= last {
			t.Errorf("token %d after %d", token, last)
		}
		last = lease.Token("a")
		lockingtest.MustRelease(t, lease)
		if err := f.clients[i%5].FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}
