package order

import (
	"context"
	"errors"
	"testing"
	"time"

	"orderd/internal/locking"
)

// A lane whose last waiter has given up before it was placed releases its lease before it
// ends.
func TestLane_RestsBeforeItEnds(t *testing.T) {
	t.Parallel()
	l := &lane{limit: 1, patience: time.Minute, running: true}
	if group := l.next(false); group != nil || !l.running {
		t.Errorf("next = %v, running: %v; want none, and the lane to rest before it ends", group, l.running)
	}
	if group := l.next(true); group != nil || l.running {
		t.Errorf("next = %v, running: %v; want none, and the lane to end", group, l.running)
	}

	rests := 0
	placing := &lane{limit: 1, patience: time.Minute, idle: func() bool { rests++; return true }, place: func(group []*waiter) {
		for _, w := range group {
			w.answer <- result{err: locking.ErrBusy}
		}
	}}
	for range 3 {
		_, _ = placing.submit(t.Context(), Request{Lines: []Line{{"A-1", 1}}})
		placing.runs.Wait()
	}
	if rests != 3 {
		t.Errorf("the lane rested %d times, want after each of 3 orders", rests)
	}
}

// An order that arrives while the lane idles, with its lease, ends the idling.
func TestLane_WhoComesEndsTheRest(t *testing.T) {
	t.Parallel()
	l := &lane{limit: 1, running: true, joined: make(chan struct{}, 1)}
	if l.enter(&waiter{}) != nil || len(l.joined) != 0 {
		t.Error("told, though the lane does not rest")
	}
	l.next(false)
	l.next(false) // the queue is empty: it idles
	if l.enter(&waiter{}) != nil || len(l.joined) != 1 {
		t.Error("not told that somebody has come")
	}
}

// A waiter that gives up makes room at once, and not only when the group before it is done.
func TestLane_WhoGivesUpLeavesNoPlaceBehind(t *testing.T) {
	t.Parallel()
	begun, over := make(chan struct{}, 2), make(chan struct{})
	l := &lane{limit: 1, patience: time.Minute, idle: func() bool { return true }, place: func(group []*waiter) {
		begun <- struct{}{}
		<-over
		group[0].answer <- result{}
	}}
	order := Request{Lines: []Line{{"A-1", 1}}}
	first := make(chan error, 1)
	go func() {
		_, err := l.submit(t.Context(), order)
		first <- err
	}()
	<-begun
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := l.submit(ctx, order); !errors.Is(err, locking.ErrBusy) || !errors.Is(err, gone) {
		t.Errorf("submit = %v, want ErrBusy and %v", err, gone)
	}
	if n := l.length(); n != 0 {
		t.Errorf("%d wait, want nobody: the one who did has left", n)
	}
	close(over)
	if err := <-first; err != nil {
		t.Errorf("submit = %v, want the first order placed", err)
	}
	l.runs.Wait()
}

// Whoever waits behind a group that does not end is told so when the lane's patience is over.
func TestLane_WhoWaitsTooLongIsBusy(t *testing.T) {
	t.Parallel()
	begun, over := make(chan struct{}, 2), make(chan struct{})
	l := &lane{limit: 1, patience: 20 * time.Millisecond, idle: func() bool { return true }, place: func(group []*waiter) {
		for _, w := range group {
			w.begin()
		}
		begun <- struct{}{}
		<-over
		for _, w := range group {
			w.answer <- result{}
		}
	}}
	order := Request{Lines: []Line{{"A-1", 1}}}
	first := make(chan error, 1)
	go func() { _, err := l.submit(t.Context(), order); first <- err }()
	<-begun
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Second, errors.New("the test is tired of waiting"))
	defer cancel()
	if _, err := l.submit(ctx, order); !errors.Is(err, locking.ErrBusy) || ctx.Err() != nil {
		t.Errorf("submit = %v, want ErrBusy by the lane's own patience", err)
	}
	close(over)
	if err := <-first; err != nil {
		t.Errorf("the one that was begun: %v", err)
	}
}

// No more join a group than it may have.
func TestLane_MoreKeepsTheLimit(t *testing.T) {
	t.Parallel()
	l := &lane{limit: 3}
	for range 5 {
		l.waiting = append(l.waiting, &waiter{Request: Request{Lines: []Line{{"A", 1}}}})
	}
	for _, row := range []struct{ size, joining, left int }{{1, 2, 3}, {3, 0, 3}, {4, 0, 3}} {
		if joining := l.more([]string{"A"}, row.size); len(joining) != row.joining || len(l.waiting) != row.left {
			t.Errorf("%d join a group of %d and %d go on waiting, want %d and %d", len(joining), row.size, len(l.waiting), row.joining, row.left)
		}
	}
}

// A handler that the server did not wait for must not begin a group while all is being closed.
func TestLane_TakesNobodyOnceClosed(t *testing.T) {
	t.Parallel()
	l := &lane{limit: 1, patience: time.Minute, idle: func() bool { return true }, place: func([]*waiter) {
		t.Error("an order was placed")
	}}
	l.close()
	if _, err := l.submit(t.Context(), Request{}); !errors.Is(err, locking.ErrBusy) || !errors.Is(err, errLaneClosed) {
		t.Errorf("submit = %v, want ErrBusy at once", err)
	}
}
