package locking_test

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// A failing hook fails requests, as if at once, whose context ends at a time for which it says so.
type failing struct {
	err   error
	when  func(at time.Time) bool
	asked *atomic.Int64
}

// DialHook implements redis.Hook.
func (failing) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (failing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (f failing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if at, limited := ctx.Deadline(); limited && f.when(at) {
			f.asked.Add(1)
			cmd.SetErr(f.err)
			return f.err
		}
		return next(ctx, cmd)
	}
}

// openFailing opens a Redis locker whose requests fail.
func openFailing(t *testing.T, url string, f failing) *locking.Redis {
	t.Helper()
	server, err := redisOptions(url)
	if err != nil {
		t.Fatal(err)
	}
	l, err := locking.NewRedis(locking.RedisConfig{
		Server: server, TTL: time.Minute, Owner: "failing",
		Opened: func(c redis.UniversalClient) { c.AddHook(f) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// timedOut is what a connection returns when its deadline has passed.
var timedOut = &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}

// A waiter whose time is up while it asks once more has had the answer that others hold the
// lock. The server is not to blame.
func TestRedis_TimeThatIsUpDuringARequestIsBusy(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	held := mustHold(t, openRedis(t, url, time.Minute), "a")
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	end, _ := ctx.Deadline()
	// The connection's deadline, which is made from the caller's, strikes a while before that.
	waiter := openFailing(t, url, failing{timedOut, func(at time.Time) bool { return at.Equal(end) }, new(atomic.Int64)})
	if _, err := waiter.Acquire(ctx, "a"); !errors.Is(err, locking.ErrBusy) || errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrBusy alone", err)
	}
	lockingtest.MustRelease(t, held)
}

// A server that does not answer in the time for a request is unavailable, and the caller need
// not wait until its own time is up to hear that. A request that got no connection was never
// sent: it is not sent again, and there is nothing to clean up.
func TestRedis_ARequestThatFails(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	for name, row := range map[string]struct {
		err  error
		most int64 // requests
	}{
		"its time is up":            {timedOut, 100},
		"all connections are taken": {redis.ErrPoolTimeout, 1},
	} {
		var asked atomic.Int64
		l := openFailing(t, url, failing{row.err, func(time.Time) bool { return true }, &asked})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Acquire(ctx, "a"); !errors.Is(err, locking.ErrUnavailable) || !errors.Is(err, row.err) || ctx.Err() != nil {
			t.Errorf("%s: Acquire() = %v (context: %v), want ErrUnavailable, why, and at once", name, err, ctx.Err())
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: Close() = %v", name, err)
		}
		if n := asked.Load(); n < 1 || n > row.most {
			t.Errorf("%s: %d requests, want 1 to %d", name, n, row.most)
		}
	}
}
