package order

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// silentLocks are those of a server that does not answer.
type silentLocks struct {
	locking.Locker
	until func(time.Time) // is told until when each caller waits; may be nil
}

func (s silentLocks) Acquire(ctx context.Context, _ ...string) (*locking.Lease, error) {
	if end, ok := ctx.Deadline(); ok && s.until != nil {
		s.until(end)
	}
	<-ctx.Done()
	return nil, errors.Join(locking.ErrUnavailable, context.Cause(ctx))
}

func serviceOf(locks locking.Locker, wait time.Duration) *Service {
	s := &Service{
		Locks: locks, LockWait: wait, Shortages: stock.NewShortages(nil),
		Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	s.Lanes = NewLanes(s, 1)
	return s
}

// Who waits as long as may be for a server that does not answer is told so, and not that others
// were there first: neither the one that asks it, nor the one behind.
func TestLanes_AServerThatDoesNotAnswerIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serviceOf(silentLocks{}, 50*time.Millisecond)
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := s.Place(t.Context(), Request{Lines: []Line{{"A", 1}}})
				errs <- err
			}()
			time.Sleep(time.Millisecond)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, locking.ErrUnavailable) || errors.Is(err, locking.ErrBusy) {
				t.Errorf("Place = %v, want ErrUnavailable", err)
			}
		}
		s.Close()
		if testutil.CollectAndCount(s.Metrics.steps) == 0 {
			t.Error("how long they waited is not in the metrics")
		}
	})
}

// A group that asks for several SKUs gives up sooner, and then asks for them in parts.
func TestLanes_AServerThatDoesNotAnswerAGroupIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serviceOf(silentLocks{}, time.Second)
		s.Lanes = NewLanes(s, 2)
		s.Lanes.OneLane()
		l := &s.Lanes.lanes[0]
		l.running = true // by this test
		errs := make(chan error, 2)
		for _, lines := range [][]Line{{{"A", 1}}, {{"A", 1}, {"B", 1}}} {
			go func() {
				_, err := s.Place(t.Context(), Request{Lines: lines})
				errs <- err
			}()
			synctest.Wait()
		}
		l.place(l.next(false))
		for range 2 {
			if err := <-errs; !errors.Is(err, locking.ErrUnavailable) || errors.Is(err, locking.ErrBusy) {
				t.Errorf("Place = %v, want ErrUnavailable", err)
			}
		}
		s.Close()
	})
}

// A lookup whose caller is gone has an owner all the same.
func TestService_CloseWaitsForLookups(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serviceOf(silentLocks{}, time.Second)
		var over atomic.Bool
		s.keysOnce.Do(func() {
			s.keys.limit, s.keys.patience, s.keys.idle = 1, time.Minute, func() bool { return true }
			s.keys.place = func([]*waiter) {
				time.Sleep(time.Second)
				over.Store(true)
			}
		})
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { _, err := s.replay(ctx, Request{Key: "k"}); left <- err }()
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, locking.ErrBusy) || over.Load() {
			t.Errorf("replay = %v of a caller that left, want ErrBusy at once", err)
		}
		if s.Close(); !over.Load() {
			t.Error("Close has returned before the lookup's end")
		}
	})
}

// The same for keys that are looked up in a Postgres that does not answer.
func TestLane_LookupsThatDoNotEndAreUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lane{limit: 1, patience: keysPatience, idle: func() bool { return true }}
		l.place = func(group []*waiter) {
			time.Sleep(keysLimit)
			l.ended(stock.ErrUnavailable)
			for _, w := range group {
				w.answer <- result{err: stock.ErrUnavailable}
			}
		}
		errs := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := l.submit(t.Context(), Request{Key: "k"})
				errs <- err
			}()
			time.Sleep(time.Millisecond)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, stock.ErrUnavailable) || errors.Is(err, locking.ErrBusy) {
				t.Errorf("submit = %v, want ErrUnavailable", err)
			}
		}
		l.runs.Wait()
	})
}

// What is only busy again is told so.
func TestLane_ForgetsThatAServerWasUnavailable(t *testing.T) {
	t.Parallel()
	l := &lane{}
	for _, row := range []struct{ ended, want error }{
		{errors.Join(locking.ErrUnavailable, context.DeadlineExceeded), locking.ErrUnavailable},
		{errors.Join(locking.ErrBusy, context.DeadlineExceeded), locking.ErrBusy},
		{errors.Join(stock.ErrUnavailable, errors.New("dial")), stock.ErrUnavailable},
		{nil, locking.ErrBusy},
		{errors.Join(ErrUnknown, errors.New("closed")), stock.ErrUnavailable},
		{nil, locking.ErrBusy},
	} {
		l.ended(row.ended)
		if got := l.drop(&waiter{}); !errors.Is(got, row.want) {
			t.Errorf("after %v a waiter is told %v, want %v", row.ended, got, row.want)
		}
	}
	full := &lane{down: stock.ErrUnavailable, waiting: make([]*waiter, laneDepth)}
	if _, err := full.submit(t.Context(), Request{}); !errors.Is(err, stock.ErrUnavailable) || errors.Is(err, locking.ErrBusy) {
		t.Errorf("who finds the lane full meanwhile is told %v, want ErrUnavailable", err)
	}
}

// A request's time begins with its request, and not with its group.
func TestLanes_AGroupHasTheTimeOfItsFirstRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var until time.Time
		s := serviceOf(silentLocks{until: func(end time.Time) { until = end }}, 11*time.Second)
		w := &waiter{
			Request: Request{Lines: []Line{{"A", 1}}}, ctx: t.Context(),
			arrived: time.Now().Add(-10 * time.Second), answer: make(chan result, 1),
		}
		s.Lanes.lanes[0].place([]*waiter{w})
		if want := w.arrived.Add(RequestLimit); !until.Equal(want) {
			t.Errorf("the group may take until %v, want %v", until, want)
		}
	})
}
