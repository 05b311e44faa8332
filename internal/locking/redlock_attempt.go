package locking

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-redsync/redsync/v4"
)

// A redlockPlace says what is known about an attempt's lock on one master.
type redlockPlace int

const (
	placeFree  redlockPlace = iota // it is not there, and no request for it is under way
	placeAsked                     // a request for it is under way
	placeHeld                      // it was there at the last answer
	placeDoubt                     // it may be there, or a request for it may still arrive
)

// A redlockAttempt is one try to take one lock, and what has become of it.
type redlockAttempt struct {
	redlock *Redlock
	lock    string
	owner   string // unique for the attempt
	mutex   *redsync.Mutex
	sent    time.Time
	taken   bool
	err     error // set if no quorum answered

	mu       sync.Mutex
	over     bool           // it has failed, or its lock has been given back
	token    int64          // of the quorum; 0 before there is one
	answered int            // how many masters said whether they grant the lock
	places   []redlockPlace // by master
	tokens   []int64        // by master
}

// try makes an attempt. If it fails, what it took has been given back, or is being given
// back. The caller must have joined the workers.
func (r *Redlock) try(ctx context.Context, key string) *redlockAttempt {
	a := &redlockAttempt{
		redlock: r, lock: redlockPrefix + key, owner: r.owner(), sent: time.Now(),
		places: make([]redlockPlace, len(r.nodes)), tokens: make([]int64, len(r.nodes)),
	}
	a.mutex = r.newMutex(a.lock, a.owner)
	round := a.begin()
	round.taking = true
	err := a.mutex.TryLockContext(round.in(ctx))
	a.mu.Lock()
	answered := a.answered
	a.mu.Unlock()
	r.hear(answered)
	if err == nil {
		a.taken = a.confirm(ctx)
	} else if answered < r.quorum {
		a.err = fmt.Errorf("acquire lock: %w", err)
	}
	if !a.taken {
		a.leave(ctx)
	}
	return a
}

// confirm has the masters that granted the lock store the largest of their tokens. Every
// later quorum includes one of them, and so gets a larger token; without this it might
// consist of masters whose counters are behind. It reports whether a quorum has stored the
// token, with time left on the lease. If not, masters were lost in between: the next attempt
// will show whether there are enough.
func (a *redlockAttempt) confirm(ctx context.Context) bool {
	a.mu.Lock()
	for i, place := range a.places {
		if place == placeHeld {
			a.token = max(a.token, a.tokens[i])
		}
	}
	a.mu.Unlock()
	kept, _ := askAll(a.redlock, func(n *redlockNode) (bool, error) {
		if a.place(n) != placeHeld {
			return false, nil
		}
		return a.keepToken(ctx, n)
	})
	n := 0
	for _, mine := range kept {
		if mine {
			n++
		}
	}
	return n >= a.redlock.quorum && time.Since(a.sent) < trusted(a.redlock.ttl)
}

func (a *redlockAttempt) keepToken(ctx context.Context, n *redlockNode) (bool, error) {
	return n.runAgain(ctx, redlockConfirm, []string{a.lock, redlockCounter}, a.owner, a.token).Bool()
}

// acquire asks one master for the lock, and reports whether it was granted. The answer may
// come long after a quorum has decided.
func (a *redlockAttempt) acquire(ctx context.Context, n *redlockNode) (bool, error) {
	if !a.asking(n) {
		return false, errTooLate
	}
	token, err := n.runAgain(ctx, redlockAcquire, []string{a.lock, redlockCounter},
		a.owner, a.redlock.ttl.Milliseconds()).Int64()
	if a.note(n, token, err) {
		_, _ = a.keepToken(ctx, n) // nothing depends on it
	}
	return token > 0, err
}

// note records a master's answer. It reports true if the master granted the lock after the
// attempt got its token: the master has yet to store that.
func (a *redlockAttempt) note(n *redlockNode, token int64, err error) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	place := &a.places[n.index]
	switch {
	case token > 0:
		*place, a.tokens[n.index] = placeHeld, token
	case err == nil || neverSent(err):
		*place = placeFree
	default:
		*place = placeDoubt
	}
	if err == nil {
		a.answered++
	}
	if a.over && *place != placeFree {
		n.sweeper.forget(a.lock, a.owner)
	}
	return a.token > 0 && token > 0 && !a.over
}

var errTooLate = errors.New("the attempt is over")

// asking records that a master is being asked, unless the attempt is over: then it reports
// false.
func (a *redlockAttempt) asking(n *redlockNode) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	a.places[n.index] = placeAsked
	return true
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

var errInDoubt = errors.New("what the master did is not known")

// release deletes the lock on one master, and reports whether it was there. If the master
// does not answer, its sweeper goes on in the background.
func (a *redlockAttempt) release(ctx context.Context, n *redlockNode) (bool, error) {
	switch a.place(n) {
	case placeFree:
		return false, nil
	case placeAsked: // note has it deleted when the answer comes
		return false, errInDoubt
	case placeDoubt:
		n.sweeper.forget(a.lock, a.owner)
		return false, errInDoubt
	case placeHeld:
	}
	mine, err := n.run(ctx, redlockRelease, []string{a.lock}, a.owner).Int64Slice()
	if err != nil {
		n.sweeper.forget(a.lock, a.owner)
		return false, err
	}
	return mine[0] > 0, nil
}

func (a *redlockAttempt) place(n *redlockNode) redlockPlace {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.places[n.index]
}

func (a *redlockAttempt) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

// leave gives back what the attempt holds. It returns when a quorum has answered.
func (a *redlockAttempt) leave(ctx context.Context) *redlockRound {
	a.end()
	round := a.begin()
	_, _ = a.mutex.UnlockContext(round.in(ctx)) // the round knows more
	return round
}

// forget has the sweepers delete in the background what the attempt holds or may hold.
func (a *redlockAttempt) forget() {
	a.end()
	for _, n := range a.redlock.nodes {
		if place := a.place(n); place == placeHeld || place == placeDoubt {
			n.sweeper.forget(a.lock, a.owner)
		}
	}
}
