package locking

import (
	"context"
	"time"
)

// A Status is what a backend knows of one key at one moment.
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
	// Waiters is the number of waiters for the key, as far as the backend can see.
	Waiters int
}

// An Inspector shows operators who holds a key. Every mode but none implements it.
type Inspector interface {
	// Inspect looks at a key without changing anything. Its error is
	// ErrUnavailable, joined with its cause.
	Inspect(ctx context.Context, key string) (Status, error)
}

// An Evictor takes a key from its holder by force. It works in steps, so that the store can
// be told to refuse the old holder's token before another holder is let in: evicted but not
// fenced, the old one would go on writing. Every mode with tokens implements it.
type Evictor interface {
	Inspector
	// NextToken returns a token that is larger than that of every lease granted on the key so
	// far, and no larger than that of any to come. In mode redlock an attempt that most masters
	// have granted already, and none confirmed yet, may still get a smaller one: its writes are
	// then refused as those of an evicted holder are.
	NextToken(ctx context.Context, key string) (int64, error)
	// Evict ends the lease of owner, named as Inspect names it, if it holds the key: the key
	// then goes to its next waiter, or is free. It reports whether it did. Any other holder
	// is left alone.
	Evict(ctx context.Context, key, owner string) (bool, error)
}
