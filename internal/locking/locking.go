package locking

import (
	"context"
	"errors"
)

// A Mode names a kind of lock. Its text is the value of --lock-mode, the label in the metrics
// and the name in reports.
type Mode string

// The modes this package implements.
const (
	ModeNone      Mode = "none"
	ModeLocal     Mode = "local"
	ModeRedis     Mode = "redis"
	ModeRedlock   Mode = "redlock"
	ModeZooKeeper Mode = "zookeeper"
	ModePostgres  Mode = "postgres"
)

// Modes lists every mode, weakest promise first. Flags, tests and
// documentation take their lists from here.
var Modes = []Mode{ModeNone, ModeLocal, ModeRedis, ModeRedlock, ModeZooKeeper, ModePostgres}

// Errors of Acquire and Release. Test for them with errors.Is; the cause, such
// as the context's, is joined to them.
var (
	// ErrBusy: the wait ended while others held a key. Nothing is held.
	ErrBusy = errors.New("locking: key is held by others")
	// ErrUnavailable: the backend cannot say who holds a key. Nothing is
	// held; what an attempt may have left behind is being cleaned up.
	ErrUnavailable = errors.New("locking: backend is unavailable")
	// ErrLost: the lease ended before its holder released it.
	ErrLost = errors.New("locking: lease was lost")
	// ErrUnknown: the backend did not answer the release, which may or may not
	// have happened. The lease ends by itself at Until at the latest.
	ErrUnknown = errors.New("locking: release outcome is unknown")
)

// A Locker grants leases on keys. Its methods are safe for concurrent use.
type Locker interface {
	// Acquire waits until the caller alone holds every key, or ctx ends. It is all or
	// nothing: after an error the caller holds nothing and leaves nothing behind, and the
	// error is ErrBusy, ErrUnavailable or ErrLost (one key was lost while waiting for a later
	// one), joined with its cause.
	//
	// Keys are taken in sorted order whatever order they are given in, so that callers that
	// want the same keys cannot deadlock. Repeated keys count once; no keys, or an empty one,
	// is an error.
	Acquire(ctx context.Context, keys ...string) (*Lease, error)

	// Close ends the locker and whatever it runs in the background. Leases still held that
	// end by themselves are then lost, at the latest at their Until.
	Close() error
}
