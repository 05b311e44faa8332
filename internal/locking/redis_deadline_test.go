package locking_test

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

// An earlyDeadline has the connection's deadline strike a while before that of the context which
// it was made from: for the requests that may take until then.
type earlyDeadline struct{ at time.Time }

// DialHook implements redis.Hook.
func (earlyDeadline) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (earlyDeadline) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// ProcessHook implements redis.Hook.
func (e earlyDeadline) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if until, limited := ctx.Deadline(); limited && until.Equal(e.at) {
			err := &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}
			cmd.SetErr(err)
			return err
		}
		return next(ctx, cmd)
	}
}

// A waiter whose time is up while it asks once more has had the answer that others hold the
// lock. The server is not to blame.
func TestRedis_TimeThatIsUpDuringARequestIsBusy(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	held, err := openRedis(t, url, time.Minute).Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	end, _ := ctx.Deadline()
	server, err := redisOptions(url)
	if err != nil {
		t.Fatal(err)
	}
	waiter, err := locking.NewRedis(locking.RedisConfig{
		Server: server, TTL: time.Minute, Owner: "waiter",
		Opened: func(c redis.UniversalClient) { c.AddHook(earlyDeadline{end}) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = waiter.Close() })
	if _, err := waiter.Acquire(ctx, "a"); !errors.Is(err, locking.ErrBusy) || errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrBusy alone", err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
