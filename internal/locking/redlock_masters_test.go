package locking_test

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack"
)

// five are five masters, some of which a test may stop.
type five struct {
	servers []*stack.Redis
	addrs   []string
	clients []*redis.Client
}

func startFive(t testing.TB) *five {
	t.Helper()
	f := &five{}
	for range 5 {
		r := startMaster(t)
		t.Cleanup(func() { _ = r.Kill() })
		f.servers, f.addrs = append(f.servers, r), append(f.addrs, r.Addr)
	}
	f.clients = masterClients(t, f.addrs)
	return f
}

func (f *five) signal(t testing.TB, sig syscall.Signal, masters ...int) {
	t.Helper()
	for _, i := range masters {
		if err := f.servers[i].Signal(sig); err != nil {
			t.Fatal(err)
		}
	}
}

// locks lists the masters that have a lock on a key.
func (f *five) locks(t testing.TB, key string) (have []int) {
	t.Helper()
	for i, client := range f.clients {
		n, err := client.Exists(t.Context(), redlockPrefix+key).Result()
		if err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			have = append(have, i)
		}
	}
	return have
}

func TestRedlock_survivesTheLossOfAMinority(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, ttl)
	held := lockingtest.MustAcquire(t, l, "held")
	f.signal(t, syscall.SIGKILL, 0, 1)
	began := time.Now()
	patient := openRedlock(t, f.addrs, 5*ttl)
	for range 5 {
		lockingtest.MustRelease(t, lockingtest.MustAcquire(t, patient, "a", "b"))
	}
	lockingtest.Eventually(t, "renewals have kept the lease", func() bool {
		return time.Since(began) > 2*ttl
	})
	if err := held.Check(0); err != nil {
		t.Errorf("Check() = %v", err)
	}
	f.signal(t, syscall.SIGKILL, 2)
	if _, err := l.Acquire(t.Context(), "a"); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	lockingtest.MustLose(t, held, soon)
	if err := l.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
}

// A master that hangs executes its requests late, in any order.
func TestRedlock_aMasterThatHangsIsNotWaitedForAndKeepsNothing(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, longTTL)
	lockingtest.MustRelease(t, lockingtest.MustAcquire(t, l, "a")) // so that there are connections to hang
	f.signal(t, syscall.SIGSTOP, 3)
	began := time.Now()
	leases := []*locking.Lease{lockingtest.MustAcquire(t, l, "a"), lockingtest.MustAcquire(t, l, "b", "c")}
	for _, lease := range leases {
		lockingtest.MustRelease(t, lease)
	}
	// Three keys, each with one attempt and one release: each of these may wait for the
	// master once.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a master that hangs delayed three keys by %v", took)
	}
	f.signal(t, syscall.SIGCONT, 3)
	for _, key := range []string{"a", "b", "c"} {
		lockingtest.Eventually(t, "no master has the lock any more", func() bool {
			return len(f.locks(t, key)) == 0
		})
	}
}

func TestRedlock_attemptsThatFailLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, longTTL)
	for _, i := range []int{0, 2, 4} {
		f.clients[i].Set(t.Context(), redlockPrefix+"a", "another|1|1", longTTL)
	}
	lockingtest.MustRelease(t, lockingtest.MustAcquire(t, connected(t, l), "b")) // the masters know the scripts, and have connections
	lockingtest.MustBeHeld(t, l, "a")
	lockingtest.Eventually(t, "the others alone have the lock", func() bool {
		return slices.Equal(f.locks(t, "a"), []int{0, 2, 4})
	})
	// Now nobody has a quorum, and this locker is about to get one.
	f.clients[4].Del(t.Context(), redlockPrefix+"a")
	lease := lockingtest.MustAcquire(t, l, "a")
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Token != lease.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want the token %d", s, err, lease.Token("a"))
	}
	lockingtest.MustRelease(t, lease)
	if have := f.locks(t, "a"); !slices.Equal(have, []int{0, 2}) {
		t.Errorf("after the release the masters %v have the lock, want the others' 0 and 2", have)
	}
}

// Many contenders split the masters between them again and again.
func TestRedlock_splitsAreResolved(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	leases := make(chan error, 5)
	inside := make(chan struct{}, 1)
	for range cap(leases) {
		l := openRedlock(t, f.addrs, longTTL)
		go func() {
			for range 4 {
				lease, err := l.Acquire(t.Context(), "a")
				if err != nil {
					leases <- err
					return
				}
				select {
				case inside <- struct{}{}:
					<-inside
				default:
					err = errors.New("two holders at once")
				}
				if err := errors.Join(err, lease.Release(t.Context())); err != nil {
					leases <- err
					return
				}
			}
			leases <- nil
		}()
	}
	for range cap(leases) {
		if err := <-leases; err != nil {
			t.Error(err)
		}
	}
	lockingtest.Eventually(t, "nothing is left", func() bool { return len(f.locks(t, "a")) == 0 })
}

func TestRedlock_aLeaseLivesAsLongAsItsQuorum(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	const ttl = 3 * time.Second
	lease := lockingtest.MustAcquire(t, openRedlock(t, f.addrs, ttl), "a")
	remove := func(masters ...int) {
		for _, i := range masters {
			if n := f.clients[i].Del(t.Context(), redlockPrefix+"a").Val(); n != 1 {
				t.Errorf("DEL deleted %d keys of master %d", n, i)
			}
		}
	}
	// A quorum is enough for the lease: the others' answers may come later.
	lockingtest.Eventually(t, "all have the lock", func() bool { return len(f.locks(t, "a")) == len(f.clients) })
	remove(0, 4)
	first := lease.Until()
	lockingtest.Eventually(t, "the lease was renewed", func() bool { return lease.Until().After(first) })
	remove(1)
	lockingtest.MustLose(t, lease, soon)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	lockingtest.Eventually(t, "nothing is left", func() bool { return len(f.locks(t, "a")) == 0 })
}
