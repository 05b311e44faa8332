package locking_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/stack"
)

func TestNewRedlock_refusesBadSettings(t *testing.T) {
	t.Parallel()
	good := func() locking.RedlockConfig {
		return locking.RedlockConfig{
			Masters: masterOptions([]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}), TTL: time.Second, Owner: "a",
		}
	}
	for name, spoil := range map[string]func(*locking.RedlockConfig){
		"no master":              func(c *locking.RedlockConfig) { c.Masters = nil },
		"a master of no address": func(c *locking.RedlockConfig) { c.Masters[1] = &redis.UniversalOptions{} },
		"no settings":            func(c *locking.RedlockConfig) { c.Masters[1] = nil },
		"a Cluster":              func(c *locking.RedlockConfig) { c.Masters[1].IsClusterMode = true },
		"a Cluster by addresses": func(c *locking.RedlockConfig) { c.Masters[1].Addrs = []string{"a:1", "b:1"} },
		"a master twice":         func(c *locking.RedlockConfig) { c.Masters[1] = c.Masters[0] },
		"no TTL":                 func(c *locking.RedlockConfig) { c.TTL = 0 },
		"too short TTL":          func(c *locking.RedlockConfig) { c.TTL = time.Millisecond },
		"no owner":               func(c *locking.RedlockConfig) { c.Owner = "" },
	} {
		cfg := good()
		spoil(&cfg)
		if _, err := locking.NewRedlock(cfg); err == nil {
			t.Errorf("%s: NewRedlock() = nil", name)
		}
	}
	r, err := locking.NewRedlock(good())
	if err != nil {
		t.Fatalf("NewRedlock() = %v, though the masters may come up later", err)
	}
	if err := r.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
	if err := r.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

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
	held := acquire(t, l, "held")
	f.signal(t, syscall.SIGKILL, 0, 1)
	began := time.Now()
	patient := openRedlock(t, f.addrs, 5*ttl)
	for range 5 {
		release(t, acquire(t, patient, "a", "b"))
	}
	until(t, 20*time.Second, "renewals have kept the lease", func() bool {
		return time.Since(began) > 2*ttl
	})
	if err := held.Check(0); err != nil {
		t.Errorf("Check() = %v", err)
	}
	f.signal(t, syscall.SIGKILL, 2)
	if _, err := l.Acquire(t.Context(), "a"); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	lostSoon(t, held)
	if err := l.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
}

// A master that hangs executes its requests late, in any order.
func TestRedlock_aMasterThatHangsIsNotWaitedForAndKeepsNothing(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	l := openRedlock(t, f.addrs, 20*time.Second)
	release(t, acquire(t, l, "a")) // so that there are connections to hang
	f.signal(t, syscall.SIGSTOP, 3)
	began := time.Now()
	leases := []*locking.Lease{acquire(t, l, "a"), acquire(t, l, "b", "c")}
	for _, lease := range leases {
		release(t, lease)
	}
	// Three keys, each with one attempt and one release: each of these may wait for the
	// master once.
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a master that hangs delayed three keys by %v", took)
	}
	f.signal(t, syscall.SIGCONT, 3)
	for _, key := range []string{"a", "b", "c"} {
		until(t, 10*time.Second, "no master has the lock any more", func() bool {
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
	release(t, acquire(t, connected(t, l), "b")) // the masters know the scripts, and have connections
	busy(t, l, "a")
	until(t, 10*time.Second, "the others alone have the lock", func() bool {
		return slices.Equal(f.locks(t, "a"), []int{0, 2, 4})
	})
	// Now nobody has a quorum, and this locker is about to get one.
	f.clients[4].Del(t.Context(), redlockPrefix+"a")
	lease := acquire(t, l, "a")
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Token != lease.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want the token %d", s, err, lease.Token("a"))
	}
	release(t, lease)
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
		l := openRedlock(t, f.addrs, 20*time.Second)
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
	until(t, 10*time.Second, "nothing is left", func() bool { return len(f.locks(t, "a")) == 0 })
}

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
		lease := acquire(t, l, "a")
		if token := lease.Token("a"); token <= last {
			t.Errorf("token %d after %d", token, last)
		}
		last = lease.Token("a")
		release(t, lease)
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
		lease := acquire(t, l, "a")
		if token := lease.Token("a"); token <= last {
			t.Errorf("token %d after %d", token, last)
		}
		last = lease.Token("a")
		release(t, lease)
		if err := f.clients[i%5].FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedlock_aLeaseLivesAsLongAsItsQuorum(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	const ttl = 3 * time.Second
	lease := acquire(t, openRedlock(t, f.addrs, ttl), "a")
	remove := func(masters ...int) {
		for _, i := range masters {
			if n := f.clients[i].Del(t.Context(), redlockPrefix+"a").Val(); n != 1 {
				t.Errorf("DEL deleted %d keys of master %d", n, i)
			}
		}
	}
	// A quorum is enough for the lease: the others' answers may come later.
	until(t, 10*time.Second, "all have the lock", func() bool { return len(f.locks(t, "a")) == len(f.clients) })
	remove(0, 4)
	first := lease.Until()
	until(t, 10*time.Second, "the lease was renewed", func() bool { return lease.Until().After(first) })
	remove(1)
	lostSoon(t, lease)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	until(t, 10*time.Second, "nothing is left", func() bool { return len(f.locks(t, "a")) == 0 })
}

func TestRedlock_operatorsSeeAndEvict(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	const ttl = 3 * time.Second
	one, other := openRedlock(t, f.addrs, ttl), openRedlock(t, f.addrs, ttl)
	if s, err := one.Inspect(t.Context(), "a"); err != nil || s != (locking.Status{}) {
		t.Errorf("Inspect() of a free key = %+v, %v", s, err)
	}
	began := time.Now()
	lease := acquire(t, one, "a")
	s, err := other.Inspect(t.Context(), "a")
	if err != nil || !strings.HasPrefix(s.Owner, "test:") || s.Token != lease.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want test:…, %d", s, err, lease.Token("a"))
	}
	if s.Since.Before(began.Add(-time.Second)) || s.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("Since %v, want about %v", s.Since, began)
	}
	if left := time.Until(s.Until); left <= 0 || left > ttl {
		t.Errorf("Until is in %v, want up to %v", left, ttl)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner+"x"); evicted || err != nil {
		t.Errorf("Evict() of another owner = %v, %v", evicted, err)
	}
	limit, err := other.NextToken(t.Context(), "a")
	if err != nil || limit <= lease.Token("a") {
		t.Errorf("NextToken() = %d, %v, want more than %d", limit, err, lease.Token("a"))
	}
	f.signal(t, syscall.SIGKILL, 1, 2) // a minority, which does not matter
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); !evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	next := acquire(t, other, "a")
	if token := next.Token("a"); token <= limit {
		t.Errorf("token %d after %d", token, limit)
	}
	lostSoon(t, lease)
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() of a later holder = %v, %v", evicted, err)
	}
	release(t, next)
	f.signal(t, syscall.SIGKILL, 3)
	_, err = other.NextToken(t.Context(), "a")
	_, err2 := other.Evict(t.Context(), "a", s.Owner)
	_, err3 := other.Inspect(t.Context(), "a")
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("without a quorum: %v, want ErrUnavailable", err)
		}
	}
}

// Callers that wait, within the process, behind one that asks the masters must not take their
// silence for a lock that is held.
func TestRedlock_waitersBehindOneWhoGetsNoAnswer(t *testing.T) {
	t.Parallel()
	l := openRedlock(t, []string{deafAddress(t), deafAddress(t), deafAddress(t)}, 3*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	answers := make(chan error, 4)
	for range cap(answers) {
		go func() {
			_, err := l.Acquire(ctx, "a")
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("Acquire() = %v, want ErrUnavailable", err)
		}
	}
}
