package locking

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Causes for which the package itself ends an acquire. They are private so that a caller's
// own cause, which may wrap any of the exported errors, is never mistaken for them.
var (
	errClosed    = errors.New("locking: locker is closed")
	errLeaseOver = errors.New("locking: an earlier key of the lease was lost")
)

// Reasons for which a lease is lost, besides errClosed.
var (
	errExpired = errors.New("its time was over")
	errTaken   = errors.New("the backend says that it is not the holder's")
	errSession = errors.New("its session was over")
)

// endedBy returns a context that ends with ctx and also, with the given cause,
// when other ends; if that is because the locker was closed, with errClosed. The
// caller must call the function it returns.
func endedBy(ctx, other context.Context, cause error) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	end := func() {
		if errors.Is(context.Cause(other), errClosed) {
			cancel(errClosed)
		}
		cancel(cause) // without effect after the one above
	}
	if other.Err() != nil {
		end() // AfterFunc would call it a little later
	}
	stop := context.AfterFunc(other, end)
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// waitError returns the error of an acquire whose context has ended. Without an answer from
// the backend it is unknown whether others hold the key, so that "busy" would be a guess.
func waitError(ctx context.Context, answered bool) error {
	cause := context.Cause(ctx)
	switch {
	case errors.Is(cause, errLeaseOver):
		return fmt.Errorf("%w: %w", ErrLost, cause)
	case errors.Is(cause, errClosed), !answered:
		return errors.Join(ErrUnavailable, cause)
	default:
		return errors.Join(ErrBusy, cause)
	}
}

// pause waits for d and reports whether ctx was still alive then.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
