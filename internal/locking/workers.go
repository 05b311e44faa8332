package locking

import (
	"context"
	"errors"
	"sync"
)

// workers counts a locker's running calls and background goroutines, so that Close can wait
// for them. Unlike with a WaitGroup, the count may grow while Close waits: a call that is
// cancelled can still hand its clean-up to a new goroutine.
type workers struct {
	life context.Context // ended by close, with errClosed

	mu     sync.Mutex
	n      int
	closed bool
	stop   context.CancelCauseFunc
	idle   chan struct{} // closed when workers is closed and n is 0
}

func newWorkers() *workers {
	life, stop := context.WithCancelCause(context.Background())
	return &workers{life: life, stop: stop, idle: make(chan struct{})}
}

// join adds the caller, which must call leave later. It reports false if workers has been
// closed and is idle.
func (w *workers) join() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed && w.n == 0 {
		return false
	}
	w.n++
	return true
}

func (w *workers) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n--
	if w.closed && w.n == 0 {
		close(w.idle)
	}
}

// begin begins an acquire: it checks and sorts the keys, joins the caller, and returns a
// context that also ends with the workers' life. Unless there is an error, the caller must
// call end.
func (w *workers) begin(ctx context.Context, keys []string) (_ context.Context, sorted []string, end func(), err error) {
	if sorted, err = sortedKeys(keys); err != nil {
		return nil, nil, nil, err
	}
	if !w.join() {
		return nil, nil, nil, errors.Join(ErrUnavailable, errClosed)
	}
	ctx, stop := endedBy(ctx, w.life, errClosed)
	return ctx, sorted, func() { stop(); w.leave() }, nil
}

// run runs f in the background and reports true, unless workers is closed and idle.
func (w *workers) run(f func()) bool {
	if !w.join() {
		return false
	}
	go func() {
		defer w.leave()
		f()
	}()
	return true
}

// close ends life and returns a channel that is closed once all have left.
func (w *workers) close() <-chan struct{} {
	w.stop(errClosed)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		if w.n == 0 {
			close(w.idle)
		}
	}
	return w.idle
}
