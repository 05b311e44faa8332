package locking

import (
	"context"
	"errors"
	"sync"
)

// A crew is what a locker has running: callers in Acquire and goroutines in
// the background. Unlike a WaitGroup it may grow while it is waited for, so
// that one who is told to stop can still leave its cleaning up to another.
type crew struct {
	life context.Context // ends, with errClosed, with close

	mu     sync.Mutex
	n      int
	closed bool
	stop   context.CancelCauseFunc
	idle   chan struct{} // closed when the crew is closed and n is 0
}

func newCrew() *crew {
	life, stop := context.WithCancelCause(context.Background())
	return &crew{life: life, stop: stop, idle: make(chan struct{})}
}

// join adds the caller, who must leave later. It reports false if the crew has
// been closed and is gone.
func (c *crew) join() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed && c.n == 0 {
		return false
	}
	c.n++
	return true
}

func (c *crew) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.closed && c.n == 0 {
		close(c.idle)
	}
}

// begin begins an acquire: it checks and sorts the keys and joins the caller,
// whose context from then on ends with the crew's life, too. Unless there is an
// error, the caller must call end.
func (c *crew) begin(ctx context.Context, keys []string) (_ context.Context, sorted []string, end func(), err error) {
	if sorted, err = sortedKeys(keys); err != nil {
		return nil, nil, nil, err
	}
	if !c.join() {
		return nil, nil, nil, errors.Join(ErrUnavailable, errClosed)
	}
	ctx, stop := endedBy(ctx, c.life, errClosed)
	return ctx, sorted, func() { stop(); c.leave() }, nil
}

// run runs f in the background, unless the crew is gone.
func (c *crew) run(f func()) bool {
	if !c.join() {
		return false
	}
	go func() {
		defer c.leave()
		f()
	}()
	return true
}

// close ends life and returns a channel that closes once nobody is left.
func (c *crew) close() <-chan struct{} {
	c.stop(errClosed)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		if c.n == 0 {
			close(c.idle)
		}
	}
	return c.idle
}
