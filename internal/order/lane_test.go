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
	if !l.enter(&waiter{}) || len(l.joined) != 0 {
		t.Error("told, though the lane does not rest")
	}
	l.next(false)
	l.next(false) // the queue is empty: it idles
	if !l.enter(&waiter{}) || len(l.joined) != 1 {
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
