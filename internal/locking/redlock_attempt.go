package locking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
)

// A redlockPlace says what is known of an attempt's lock on one master.
type redlockPlace int

const (
	placeFree  redlockPlace = iota // it is not there, nor on its way there
	placeHeld                      // it was there at the last answer
	placeDoubt                     // it may be there, or may yet come
)

// A redlockAttempt is one try to take one lock, and what has become of it.
type redlockAttempt struct {
	redlock *Redlock
	lock    string
	owner   string // unique for the attempt
	mutex   *redsync.Mutex

	sent  time.Time
	token int64 // of the quorum; 0 if the lock was not taken
	err   error // why it was not, unless others hold it

	mu       sync.Mutex
	answered int            // how many masters said whether they grant the lock
	places   []redlockPlace // by master
	tokens   []int64        // by master
}

// A redlockRound is one question to all masters about a lock that was taken.
type redlockRound struct {
	attempt *redlockAttempt

	mu       sync.Mutex
	answered int
	yes      int
}

type redlockRoundKey struct{}

func roundOf(ctx context.Context) *redlockRound {
	return ctx.Value(redlockRoundKey{}).(*redlockRound)
}

func (o *redlockRound) count(answered, yes bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if answered {
		o.answered++
	}
	if yes {
		o.yes++
	}
}

// round begins a round: redsync hands its context on to each request.
func (a *redlockAttempt) round(ctx context.Context) (context.Context, *redlockRound) {
	o := &redlockRound{attempt: a}
	return context.WithValue(ctx, redlockRoundKey{}, o), o
}

// try makes an attempt. If it fails, what it took is given back, or is being.
func (r *Redlock) try(ctx context.Context, key string) *redlockAttempt {
	a := &redlockAttempt{
		redlock: r, lock: redlockPrefix + key, owner: r.owner(), sent: time.Now(),
		places: make([]redlockPlace, len(r.nodes)), tokens: make([]int64, len(r.nodes)),
	}
	a.mutex = r.newMutex(a.lock, a.owner)
	ctx, _ = a.round(ctx)
	err := a.mutex.TryLockContext(ctx)
	r.answers.Store(a.answered >= r.quorum)
	switch {
	case err == nil:
		a.confirm(ctx)
		if a.token == 0 {
			a.leave(ctx)
		}
		return a
	case a.answered < r.quorum:
		a.err = fmt.Errorf("acquire lock: %w", err)
	}
	a.forget() // redsync has given back what it was granted
	return a
}

// confirm has the masters that granted the lock keep the largest of their
// tokens. The next quorum has one of them in it, and its token so is larger;
// without this it might meet only those whose counters are behind.
func (a *redlockAttempt) confirm(ctx context.Context) {
	a.mu.Lock()
	var token int64
	for i, place := range a.places {
		if place == placeHeld {
			token = max(token, a.tokens[i])
		}
	}
	a.mu.Unlock()
	kept, _ := askAll(a.redlock, func(n *redlockNode) (bool, error) {
		if a.place(n) != placeHeld {
			return false, nil
		}
		return n.runAgain(ctx, redlockConfirm, []string{a.lock, redlockCounter}, a.owner, token).Bool()
	})
	n := 0
	for _, mine := range kept {
		if mine {
			n++
		}
	}
	if n >= a.redlock.quorum && time.Since(a.sent) < trusted(a.redlock.ttl) {
		a.token = token
		return
	}
	// Masters were lost in between. Whether there are enough, the next attempt
	// will tell; that others hold the lock is not known.
	a.redlock.answers.Store(false)
}

// acquire asks one master for the lock, and reports whether it was granted.
func (a *redlockAttempt) acquire(ctx context.Context, n *redlockNode) (bool, error) {
	token, err := n.runAgain(ctx, redlockAcquire, []string{a.lock, redlockCounter},
		a.owner, a.redlock.ttl.Milliseconds()).Int64()
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case err == nil:
		a.answered++
	case !neverSent(err):
		a.places[n.index] = placeDoubt
	}
	if token > 0 {
		a.places[n.index], a.tokens[n.index] = placeHeld, token
	}
	return token > 0, err
}

// renew asks one master to keep the lock, and reports whether it had it.
func (a *redlockAttempt) renew(ctx context.Context, n *redlockNode) (bool, error) {
	mine, err := n.runAgain(ctx, redlockRenew, []string{a.lock},
		a.owner, a.redlock.ttl.Milliseconds()).Bool()
	if mine {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.places[n.index] = placeHeld
	}
	return mine, err
}

// release gives the lock back to one master, and reports whether it was there.
// A master of which that is not known is left to the background.
func (a *redlockAttempt) release(ctx context.Context, n *redlockNode) (bool, error) {
	switch a.place(n) {
	case placeFree:
		return false, nil
	case placeDoubt:
		return false, errInDoubt
	case placeHeld:
	}
	mine, err := n.run(ctx, redlockRelease, []string{a.lock}, a.owner).Int64Slice()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.places[n.index] = placeDoubt
		return false, err
	}
	a.places[n.index] = placeFree
	return mine[0] > 0, nil
}

var errInDoubt = errors.New("what the master did is not known")

func (a *redlockAttempt) place(n *redlockNode) redlockPlace {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.places[n.index]
}

// leave gives back what the attempt still has, and has the doubts about it
// ended in the background. The caller is in the crew.
func (a *redlockAttempt) leave(ctx context.Context) *redlockRound {
	ctx, round := a.round(ctx)
	_, _ = a.mutex.UnlockContext(ctx) // the round tells more
	a.forget()
	return round
}

// forget has the background end what the masters still have of the attempt, or
// may have.
func (a *redlockAttempt) forget() {
	for _, n := range a.redlock.nodes {
		if a.place(n) != placeFree {
			n.sweeper.forget(a.lock, a.owner)
		}
	}
}
