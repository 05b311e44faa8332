package locking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A grant is one key of a lease.
type grant struct {
	key   string
	node  string // the backend's own name for the grant, where it has one
	token int64
	note  string    // from the previous holder
	until time.Time // trusted until then; zero if the grant has no end
	// unconfirmed: the previous holder's release told us that the key is ours, and the
	// backend has not been asked yet. The first renewal asks, at once.
	unconfirmed bool
}

// search finds a key among grants that are sorted by key.
func search(held []grant, key string) (int, bool) {
	return slices.BinarySearchFunc(held, key, func(g grant, key string) int {
		return strings.Compare(g.key, key)
	})
}

// A keeper speaks to the backend for one lease.
type keeper interface {
	// renew asks the backend to keep the grants and returns for how long it
	// will, counted from when it heard the request. ErrLost means that one is
	// no longer the lease's; any other error leaves that open.
	renew(ctx context.Context, held []grant) (time.Duration, error)
	// release gives the grants back and returns nil, ErrLost or ErrUnknown. What it could not
	// settle at once it leaves to the background. lost says that the grants are not trusted
	// any more, so that there is no point in waiting for the answer.
	release(ctx context.Context, held []grant, lost bool) error
}

// A Lease is one holder's hold on its keys. Its methods are safe for concurrent use.
type Lease struct {
	keeper keeper
	ttl    time.Duration // 0: the lease does not end by itself

	life   context.Context // ends, with the reason, when the lease is lost; nil if ttl is 0
	lose   context.CancelCauseFunc
	detach func() bool // detaches the lease from its locker's life
	demand *demand     // tells that others wait for the keys; nil in modes that do not notify

	mu    sync.Mutex
	held  []grant   // sorted by key
	until time.Time // the earliest among held
	ended bool
	timer *time.Timer // calls expire at until
	hook  func(error) // called once with Release's answer

	renewal renewal // see renewal.go

	releaseOnce sync.Once
	released    error
}

// newLease returns a lease that holds nothing yet. With a ttl it ends by
// itself, at the latest when alive does.
func newLease(alive context.Context, k keeper, ttl time.Duration) *Lease {
	l := &Lease{keeper: k, ttl: ttl}
	if ttl > 0 {
		l.life, l.lose = context.WithCancelCause(context.Background())
		l.detach = context.AfterFunc(alive, func() { l.lose(context.Cause(alive)) })
	}
	return l
}

// Token returns the fencing token of one of the lease's keys: of two leases on
// a key, the later one has the larger token. It is 0 in modes that cannot
// order their leases and for keys the lease does not cover.
func (l *Lease) Token(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := search(l.held, key)
	if !found {
		return 0
	}
	return l.held[i].token
}

// Until returns when the lease ends unless it is renewed before. It is counted
// from before the request for it was sent, so that the backend keeps the keys
// for longer than the holder believes, never for less. It is the zero time in
// modes whose leases do not end by themselves.
func (l *Lease) Until() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until
}

// Lost is closed once the holder must stop trusting the lease. It is nil, and so never ready,
// in modes whose leases do not end by themselves. Release closes it only if it finds the
// lease lost.
func (l *Lease) Lost() <-chan struct{} {
	if l.life == nil {
		return nil
	}
	return l.life.Done()
}

// Check returns nil if the lease is held and will be for margin more, else ErrLost. It does
// not ask the backend: it says what the holder may still trust.
func (l *Lease) Check(margin time.Duration) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.ended:
		return fmt.Errorf("%w: it was released", ErrLost)
	case l.life == nil:
		return nil
	case l.life.Err() != nil:
		return fmt.Errorf("%w: %w", ErrLost, context.Cause(l.life))
	}
	// Compare with the clock and do not rely on the timer: a process that wakes from a pause
	// can get here before its timers run.
	if left := time.Until(l.until); left <= 0 {
		return fmt.Errorf("%w: %w", ErrLost, errExpired)
	} else if left < margin {
		return fmt.Errorf("%w: %v left, %v needed", ErrLost, left, margin)
	}
	return nil
}

// Release ends the lease. It returns nil if the keys were given back, ErrLost if the lease
// had ended before, and ErrUnknown if the backend did not say; the keys are then free at
// Until at the latest. It does its work once, even if ctx is cancelled, within a time limit
// of its own, and returns the same answer to every caller.
func (l *Lease) Release(ctx context.Context) error {
	l.releaseOnce.Do(func() {
		l.released = l.release(context.WithoutCancel(ctx))
		l.mu.Lock()
		hook := l.hook
		l.mu.Unlock()
		if hook != nil {
			hook(l.released)
		}
	})
	return l.released
}

func (l *Lease) release(ctx context.Context) error {
	l.endRenewal()
	l.mu.Lock()
	l.ended = true
	held := slices.Clone(l.held)
	l.mu.Unlock()
	if l.life == nil {
		return l.keeper.release(ctx, held, false)
	}

	defer l.detach()
	if l.timer != nil { // nil if nothing was ever held
		defer l.timer.Stop()
	}
	if len(held) == 0 {
		return nil
	}
	over, reason := !time.Now().Before(l.Until()), errTaken
	if over {
		reason = errExpired
	}
	lost := over || l.life.Err() != nil
	err := l.keeper.release(ctx, held, lost)
	if lost || errors.Is(err, ErrLost) {
		l.lose(reason) // without effect if it was lost before
		return ErrLost
	}
	return err
}

// holdsAny reports whether a key has been granted yet.
func (l *Lease) holdsAny() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held) > 0
}

// onRelease registers hook, which is called once with the answer of Release.
func (l *Lease) onRelease(hook func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hook = hook
}

// bound returns a context that also ends, with errLeaseOver, when the lease is lost: it is
// then pointless to acquire its later keys.
func (l *Lease) bound(ctx context.Context) (context.Context, func()) {
	return endedBy(ctx, l.life, errLeaseOver)
}
