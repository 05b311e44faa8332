package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderd/loadtest/bench/sample"
)

// drain is how long after the window a turn that was asked for within it may take to be
// granted. A lock that polls rarely needs some seconds for all its waiters.
const drain = 30 * time.Second

// afterFailure is the pause after an error, so that a lock that fails at once is not tried a
// million times.
const afterFailure = 10 * time.Millisecond

// A plan says how turns are taken: one after the other, each for hold, first for warmUp and
// then for the window.
type plan struct {
	hold, warmUp, window time.Duration
}

// limit is how long the whole run may take, opening the connections included.
func (p plan) limit() time.Duration { return 2*drain + p.warmUp + p.window }

// warm gives every waiter a turn with its own key, all at once: that opens the connections
// and loads the scripts into the server.
func warm(ctx context.Context, o opened, key string, waiters int) error {
	var g errgroup.Group
	for i := range waiters {
		g.Go(func() error {
			l := o.lock(fmt.Sprintf("%s-warm-%d-%d", key, os.Getpid(), i))
			if err := l.Lock(ctx); err != nil {
				return err
			}
			return l.Unlock(ctx)
		})
	}
	return g.Wait()
}

// drive has the waiters take turns with one key, and counts them.
func drive(ctx context.Context, o opened, s settings) (*sample.Tally, error) {
	tallies := make([]*sample.Tally, s.waiters)
	referees := make([]*referee, s.waiters)
	for i := range s.waiters {
		var err error
		if referees[i], err = openReferee(s.referee); err != nil {
			return nil, err
		}
		defer referees[i].close()
	}

	from := time.Now().Add(s.plan.warmUp)
	to := from.Add(s.plan.window)
	ctx, cancel := context.WithDeadline(ctx, to.Add(drain))
	defer cancel()
	var wg sync.WaitGroup
	for i := range s.waiters {
		w := &waiter{lock: o.lock(s.key), referee: referees[i], hold: s.plan.hold, from: from, to: to, tally: sample.NewTally()}
		tallies[i] = w.tally
		wg.Go(func() { w.run(ctx) })
	}
	wg.Wait()
	for _, t := range tallies[1:] {
		tallies[0].Add(t)
	}
	return tallies[0], nil
}

// A waiter takes one turn after the other.
type waiter struct {
	lock     lock
	referee  *referee
	hold     time.Duration
	from, to time.Time
	tally    *sample.Tally
}

// run takes turns until the window is over. A waiter that is waiting then goes on until its
// turn is granted: without those the longest waits would not show.
func (w *waiter) run(ctx context.Context) {
	for {
		asked := time.Now()
		if !asked.Before(w.to) {
			return
		}
		if err := w.turn(ctx, asked); err != nil {
			w.tally.Fail(err)
			time.Sleep(afterFailure)
		}
	}
}

func (w *waiter) turn(ctx context.Context, asked time.Time) error {
	if err := w.lock.Lock(ctx); err != nil {
		if ctx.Err() != nil {
			w.tally.Wait(time.Since(asked)) // it has waited to the end, in vain
		}
		return fmt.Errorf("lock: %w", err)
	}
	granted := time.Now()
	alone, err := w.referee.enter()
	pause(w.hold)
	held := time.Since(granted)
	if alone {
		w.referee.leave()
	} else if err == nil {
		w.tally.Overlaps++
	}
	if unlock := w.lock.Unlock(ctx); unlock != nil && err == nil {
		err = fmt.Errorf("unlock: %w", unlock)
	}

	if !granted.Before(w.from) {
		w.tally.Wait(granted.Sub(asked))
		if granted.Before(w.to) {
			w.tally.Turn(held)
		}
	}
	return err
}
