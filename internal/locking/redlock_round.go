package locking

import (
	"context"
	"sync"
)

// A redlockRound is one question about a lock to all masters. redsync asks it,
// and does not wait for all of the answers.
type redlockRound struct {
	attempt *redlockAttempt
	alive   bool // whether the locker is open
	taking  bool // whether the request is to take the lock

	mu       sync.Mutex
	answered int
	yes      int
}

// begin begins a round. It joins the workers once for every request: redsync may start one
// after the caller has gone on.
func (a *redlockAttempt) begin() *redlockRound {
	o := &redlockRound{attempt: a, alive: true}
	for range a.redlock.nodes {
		o.alive = o.alive && a.redlock.workers.join()
	}
	return o
}

type redlockRoundKey struct{}

// in returns the context with which redsync is to ask the round's question.
func (o *redlockRound) in(ctx context.Context) context.Context {
	return context.WithValue(ctx, redlockRoundKey{}, o)
}

func roundOf(ctx context.Context) *redlockRound {
	return ctx.Value(redlockRoundKey{}).(*redlockRound)
}

// ask asks one master. redsync calls it once for each master in a round.
func (o *redlockRound) ask(
	ctx context.Context, n *redlockNode, question func(context.Context, *redlockNode) (bool, error),
) (bool, error) {
	if !o.alive {
		return false, errClosed
	}
	defer o.attempt.redlock.workers.leave()
	yes, err := question(ctx, n)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err == nil {
		o.answered++
	}
	if yes {
		o.yes++
	}
	return yes, err
}

// verdict returns nil if a quorum says that the lock is or was the attempt's, ErrLost if no
// quorum can say so, whatever the silent masters would answer, and otherwise unknown.
func (o *redlockRound) verdict(unknown error) error {
	r := o.attempt.redlock
	o.mu.Lock()
	defer o.mu.Unlock()
	switch no := o.answered - o.yes; {
	case o.yes >= r.quorum:
		return nil
	case len(r.nodes)-no < r.quorum:
		return ErrLost
	default:
		return unknown
	}
}
