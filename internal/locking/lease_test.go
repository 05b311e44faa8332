package locking

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// leaseTTL can be long: tests that wait for it run on a fake clock.
const leaseTTL = 9 * time.Second

// A fakeKeeper answers as its test says.
type fakeKeeper struct {
	onRenew   func(context.Context, []grant) (time.Duration, error)
	onRelease func(context.Context) error
	renewals  atomic.Int64
	releases  atomic.Int64
}

func (k *fakeKeeper) renew(ctx context.Context, held []grant) (time.Duration, error) {
	k.renewals.Add(1)
	if k.onRenew == nil {
		return leaseTTL, nil
	}
	return k.onRenew(ctx, held)
}

func (k *fakeKeeper) release(ctx context.Context, _ []grant, lost bool) error {
	k.releases.Add(1)
	switch {
	case lost:
		return ErrLost
	case k.onRelease == nil:
		return nil
	}
	return k.onRelease(ctx)
}

func granted(key string) grant {
	return grant{key: key, until: time.Now().Add(trusted(leaseTTL))}
}

func heldLease(t *testing.T, k *fakeKeeper, keys ...string) *Lease {
	t.Helper()
	l := newLease(t.Context(), k, leaseTTL)
	for _, key := range keys {
		l.add(granted(key))
	}
	return l
}

func isLost(l *Lease) bool {
	synctest.Wait()
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func TestLease_isRenewedEveryThirdOfItsTTL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKeeper{}
		l := heldLease(t, k, "a")
		time.Sleep(10*leaseTTL + time.Second)
		if isLost(l) || l.Check(leaseTTL/2) != nil {
			t.Errorf("the lease is lost; Check() = %v", l.Check(leaseTTL/2))
		}
		if n := k.renewals.Load(); n != 30 {
			t.Errorf("%d renewals in 10 TTLs, want 30", n)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release() = %v", err)
		}
		time.Sleep(leaseTTL)
		if n := k.renewals.Load(); n != 30 {
			t.Errorf("%d renewals after the release", n-30)
		}
		if isLost(l) {
			t.Error("a released lease counts as lost")
		}
	})
}

func TestLease_failuresThatMayPass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		k := &fakeKeeper{onRenew: func(context.Context, []grant) (time.Duration, error) {
			if down.Load() {
				return 0, errors.New("no answer")
			}
			return leaseTTL, nil
		}}
		l := heldLease(t, k, "a")
		time.Sleep(leaseTTL - time.Second)
		synctest.Wait()
		down.Store(false)
		time.Sleep(2 * leaseTTL)
		if isLost(l) {
			t.Error("the lease is lost though the backend came back in time")
		}

		down.Store(true)
		until := l.Until()
		time.Sleep(time.Until(until) - time.Nanosecond)
		if isLost(l) || l.Check(0) != nil {
			t.Errorf("the lease is lost before Until; Check() = %v", l.Check(0))
		}
		time.Sleep(time.Nanosecond)
		if !isLost(l) || !errors.Is(l.Check(0), ErrLost) {
			t.Errorf("the lease is not lost at Until; Check() = %v", l.Check(0))
		}
		down.Store(false)
		if err := l.Release(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("Release() = %v, want ErrLost", err)
		}
	})
}

func TestLease_callsThatHang(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKeeper{onRenew: func(ctx context.Context, _ []grant) (time.Duration, error) {
			time.Sleep(2 * leaseTTL) // whatever ctx says
			return leaseTTL, nil
		}}
		l := heldLease(t, k, "a")
		time.Sleep(trusted(leaseTTL))
		if !isLost(l) {
			t.Error("the lease outlives Until while its renewal hangs")
		}
		time.Sleep(2 * leaseTTL)
		if l.Check(0) == nil {
			t.Error("a late answer brought trust back")
		}
		if err := l.Release(t.Context()); !errors.Is(err, ErrLost) {
			t.Errorf("Release() = %v, want ErrLost", err)
		}
	})
}

func TestLease_isLostAtOnceIfNotTheOwners(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKeeper{onRenew: func(context.Context, []grant) (time.Duration, error) {
			return 0, ErrLost
		}}
		l := heldLease(t, k, "a")
		time.Sleep(leaseTTL / 3)
		if !isLost(l) {
			t.Error("the lease is not lost")
		}
		_ = l.Release(t.Context())
	})
}

func TestLease_endsWithItsLocker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		alive, end := context.WithCancel(t.Context())
		l := newLease(alive, &fakeKeeper{}, leaseTTL)
		l.add(granted("a"))
		end()
		if !isLost(l) {
			t.Error("the lease is not lost")
		}
		_ = l.Release(t.Context())
	})
}

// A renewal must not extend a key that was added while it was under way: the key was granted
// by an older request, and the renewal did not ask for it.
func TestLease_renewalUnderWayWhenAKeyIsAdded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answer := make(chan struct{})
		k := &fakeKeeper{onRenew: func(context.Context, []grant) (time.Duration, error) {
			<-answer
			return leaseTTL, nil
		}}
		l := heldLease(t, k, "b")
		late := granted("a")
		time.Sleep(leaseTTL/3 + 100*time.Millisecond) // the renewal is under way
		l.add(late)
		close(answer)
		synctest.Wait()
		if got := l.Until(); !got.Equal(late.until) {
			t.Errorf("Until() = %v, want that of the key not renewed, %v", got, late.until)
		}
		_ = l.Release(t.Context())
	})
}

func TestLease_releaseWaitsForRenewal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var renewing atomic.Bool
		k := &fakeKeeper{onRenew: func(context.Context, []grant) (time.Duration, error) {
			renewing.Store(true)
			time.Sleep(time.Second)
			renewing.Store(false)
			return leaseTTL, nil
		}}
		k.onRelease = func(context.Context) error {
			if renewing.Load() {
				t.Error("a release met a renewal")
			}
			return nil
		}
		l := heldLease(t, k, "a")
		time.Sleep(leaseTTL/3 + time.Millisecond)
		synctest.Wait()
		if !renewing.Load() {
			t.Fatal("no renewal is under way")
		}
		if err := l.Release(t.Context()); err != nil {
			t.Errorf("Release() = %v", err)
		}
	})
}

func TestLease_releaseIsDoneOnce(t *testing.T) {
	t.Parallel()
	for _, want := range []error{nil, ErrLost, ErrUnknown} {
		synctest.Test(t, func(t *testing.T) {
			var hooked atomic.Int64
			k := &fakeKeeper{onRelease: func(ctx context.Context) error {
				return errors.Join(want, ctx.Err())
			}}
			l := heldLease(t, k, "a", "b")
			l.onRelease(func(error) { hooked.Add(1) })
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			var group sync.WaitGroup
			for range 3 {
				group.Go(func() {
					if err := l.Release(ctx); !errors.Is(err, want) || errors.Is(err, context.Canceled) {
						t.Errorf("Release() = %v, want %v", err, want)
					}
				})
			}
			group.Wait()
			if k.releases.Load() != 1 || hooked.Load() != 1 {
				t.Errorf("released %d times, told %d times; want 1, 1", k.releases.Load(), hooked.Load())
			}
			if isLost(l) != errors.Is(want, ErrLost) {
				t.Errorf("after %v, Lost is closed: %v", want, isLost(l))
			}
		})
	}
}

func TestLease_Check(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := heldLease(t, &fakeKeeper{}, "a")
		left := time.Until(l.Until())
		if err := l.Check(left); err != nil {
			t.Errorf("Check(all that is left) = %v", err)
		}
		if err := l.Check(left + 1); !errors.Is(err, ErrLost) {
			t.Errorf("Check(more than is left) = %v, want ErrLost", err)
		}
		_ = l.Release(t.Context())
	})
}

// However a renewal and a release race, the renewal has ended when the release begins, and
// none begins later.
func TestLease_renewalsAndReleasesNeverMeet(t *testing.T) {
	t.Parallel()
	const races = 100_000
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range races / 8 {
				var renewing, releasing atomic.Bool
				k := &fakeKeeper{
					onRenew: func(context.Context, []grant) (time.Duration, error) {
						if renewing.Store(true); releasing.Load() {
							t.Error("a renewal began after the release")
						}
						renewing.Store(false)
						return leaseTTL, nil
					},
					onRelease: func(context.Context) error {
						if releasing.Store(true); renewing.Load() {
							t.Error("a release met a renewal")
						}
						return nil
					},
				}
				l := heldLease(t, k, "a")
				l.renewal.timer.Reset(0) // due now
				if rand.N(2) == 0 {
					runtime.Gosched()
				}
				if err := l.Release(t.Context()); err != nil {
					t.Errorf("Release() = %v", err)
				}
			}
		})
	}
	group.Wait()
}
