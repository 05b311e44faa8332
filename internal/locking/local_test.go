package locking

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A key that is granted just as its waiter's context ends must reach the next waiter.
func TestLocal_turnThatComesAsTheContextEnds(t *testing.T) {
	t.Parallel()
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			l := NewLocal()
			held, err := l.Acquire(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			go func() {
				if lease, err := l.Acquire(ctx, "a"); err == nil {
					_ = lease.Release(ctx)
				}
			}()
			synctest.Wait()
			go cancel()
			_ = held.Release(t.Context())

			next, err := l.Acquire(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			_ = next.Release(t.Context())
			synctest.Wait()
			if len(l.turns) != 0 {
				t.Errorf("%d keys are remembered that nobody holds", len(l.turns))
			}
		})
	}
}

func TestLocal_closeEndsWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := NewLocal()
		held, err := l.Acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { _ = l.Close() })
		if _, err := l.Acquire(t.Context(), "a"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Acquire() = %v, want ErrUnavailable", err)
		}
		if err := held.Release(t.Context()); err != nil {
			t.Errorf("Release() = %v", err)
		}
	})
}
