package locking

import (
	"context"
	"time"
)

// A Status is what a backend tells of one key at one moment.
type Status struct {
	// Owner names the lease that holds the key: the replica's name and the
	// lease's own. It is empty when nobody holds the key.
	Owner string
	// Token is the holder's fencing token, 0 in modes that have none.
	Token int64
	// Since is when the key was granted, by the backend's clock.
	Since time.Time
	// Until is when the lease ends unless it is renewed before; the zero time
	// where it does not end by itself.
	Until time.Time
	// Waiters is how many wait for the key, as far as the backend can see.
	Waiters int
}

// An Inspector tells operators who holds a key. Every mode that excludes
// anybody is one.
type Inspector interface {
	// Inspect looks at a key without changing anything. Its error is
	// ErrUnavailable, joined with its cause.
	Inspect(ctx context.Context, key string) (Status, error)
}

// An Evictor takes a key from its holder by force. It works in steps, so that
// the store can be told to refuse the old holder before anybody else is let in:
// robbed but not fenced, he would go on writing. Every mode with tokens is one.
type Evictor interface {
	Inspector
	// NextToken returns a token that is larger than those of all leases that
	// have been granted on the key, and no larger than those of all to come.
	NextToken(ctx context.Context, key string) (int64, error)
	// Evict ends the lease of that owner, as Inspect names it, if it holds the
	// key: the key goes to whoever waits for it, or is free. It reports whether
	// it did. Any other holder is left alone.
	Evict(ctx context.Context, key, owner string) (bool, error)
}
