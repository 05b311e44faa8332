package stock_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/stock"
)

func TestCache_PutNewerKeepsTheNewestVersion(t *testing.T) {
	t.Parallel()
	c := stock.NewCache(stock.OpenRedis(t), nobodyAsked(t))
	level := func(version, onHand int64) stock.Level {
		return stock.Level{SKU: "A-1", OnHand: onHand, Version: version, Guard: stock.GuardFence}
	}
	for _, step := range []struct{ learn, want stock.Level }{
		{level(9, 91), level(9, 91)},
		{level(10, 90), level(10, 90)}, // as numbers: as text, 10 would be older than 9
		{level(8, 92), level(10, 90)},
		{level(10, 1), level(10, 90)},
	} {
		if err := c.PutNewer(t.Context(), step.learn); err != nil {
			t.Fatal(err)
		}
		levels, err := c.Levels(t.Context(), []string{"A-1"})
		if err != nil || levels["A-1"] != step.want {
			t.Fatalf("after PutNewer(%+v) Levels = %+v, %v; want %+v", step.learn, levels, err, step.want)
		}
	}
}

func TestCache_RebuildsWhatRedisForgot(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	client := stock.OpenRedis(t)
	c := stock.NewCache(client, s)
	mustSet(t, s, "A-1", 5, "")
	mustSet(t, s, "B-1", 6, stock.GuardNone)
	for range 2 { // a miss, then a hit
		levels, err := c.Levels(t.Context(), []string{"A-1", "B-1"})
		if err != nil || levels["A-1"].OnHand != 5 || levels["B-1"].OnHand != 6 || levels["B-1"].Guard != stock.GuardNone {
			t.Fatalf("Levels = %+v, %v; want 5 and 6", levels, err)
		}
	}
	// Flushed as by a restart, its scripts too.
	if err := errors.Join(client.FlushDB(t.Context()).Err(), client.ScriptFlush(t.Context()).Err()); err != nil {
		t.Fatal(err)
	}
	if levels, err := c.Levels(t.Context(), []string{"A-1"}); err != nil || levels["A-1"].OnHand != 5 {
		t.Fatalf("Levels after a flush = %+v, %v; want 5", levels, err)
	}
	if levels, err := c.Levels(t.Context(), []string{"A-1", "NO"}); err != nil || len(levels) != 1 || levels["A-1"].OnHand != 5 {
		t.Fatalf("Levels of a SKU and of an unknown one = %+v, %v; want the first alone", levels, err)
	}
}

// A key that holds something else than a hash counts as a missing level, and is not an error.
func TestCache_AKeyThatIsNoHashIsNoLevel(t *testing.T) {
	t.Parallel()
	_, s := open(t)
	client := stock.OpenRedis(t)
	c := stock.NewCache(client, s)
	mustSet(t, s, "A-1", 5, "")
	mustSet(t, s, "B-1", 6, "")
	for range 2 { // with B-1 missing, then cached
		if err := client.Set(t.Context(), "orderd:stock:A-1", "50", 0).Err(); err != nil {
			t.Fatal(err)
		}
		levels, err := c.Levels(t.Context(), []string{"A-1", "B-1"})
		if err != nil || levels["A-1"].OnHand != 5 || levels["B-1"].OnHand != 6 {
			t.Fatalf("Levels = %+v, %v; want 5 and 6", levels, err)
		}
		if kept := client.HGet(t.Context(), "orderd:stock:A-1", "level").Val(); kept != "5" {
			t.Errorf("Redis keeps %q, want the level", kept)
		}
	}
}

// unsent fails pipelines before they are sent, as when no connection is available: the commands
// themselves carry no error.
type unsent struct{}

func (unsent) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (unsent) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (unsent) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(context.Context, []redis.Cmder) error { return errors.New("not sent") }
}

func TestCache_FailsClosedWhatIsNotSent(t *testing.T) {
	t.Parallel()
	client := stock.OpenRedis(t)
	client.AddHook(unsent{})
	c := stock.NewCache(client, nobodyAsked(t))
	if _, err := c.Levels(t.Context(), []string{"A-1"}); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Levels = %v, want ErrUnavailable", err)
	}
}

func TestCache_FailsClosed(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1})
	t.Cleanup(func() { client.Close() })
	c := stock.NewCache(client, nobodyAsked(t))
	if _, err := c.Levels(t.Context(), []string{"A-1"}); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Levels without Redis = %v, want ErrUnavailable", err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Ping without Redis = %v, want ErrUnavailable", err)
	}
}

// A SKU that cannot be looked up in Postgres must not be reported as unknown.
func TestCache_FailsClosedWherePostgresDoesNotAnswer(t *testing.T) {
	t.Parallel()
	down := levelsFunc(func(context.Context, []string) ([]stock.Level, error) { return nil, stock.ErrUnavailable })
	c := stock.NewCache(stock.OpenRedis(t), down)
	if levels, err := c.Levels(t.Context(), []string{"A-1"}); !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Levels = %+v, %v; want ErrUnavailable", levels, err)
	}
}

func nobodyAsked(t *testing.T) levelsFunc {
	return func(context.Context, []string) ([]stock.Level, error) {
		t.Error("Postgres was asked")
		return nil, errors.New("unexpected")
	}
}

// limits is a hook that sees how long commands may take, and whether their callers are still there.
type limits struct{ see func(context.Context) }

// DialHook implements redis.Hook.
func (limits) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (l limits) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		l.see(ctx)
		return next(ctx, cmd)
	}
}

// ProcessPipelineHook implements redis.Hook.
func (l limits) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		l.see(ctx)
		return next(ctx, cmds)
	}
}

// What was committed is written though its caller is gone, but nobody waits for Redis for long.
func TestCache_WriteBackHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	client := stock.OpenRedis(t)
	c := stock.NewCache(client, nobodyAsked(t))
	seen, writing := 0, true
	client.AddHook(limits{func(ctx context.Context) {
		if !writing {
			return
		}
		seen++
		if end, limited := ctx.Deadline(); !limited || time.Until(end) > 5*time.Second || ctx.Err() != nil {
			t.Errorf("a command may take until %v (limited: %v), %v", end, limited, ctx.Err())
		}
	}})
	gone, leave := context.WithCancel(t.Context())
	leave()
	level := stock.Level{SKU: "A-1", OnHand: 3, Version: 2, Guard: stock.GuardPredicate}
	if err := c.WriteBack(gone, level); err != nil || seen == 0 {
		t.Fatalf("WriteBack = %v with %d requests", err, seen)
	}
	writing = false
	if levels, err := c.Levels(t.Context(), []string{"A-1"}); err != nil || levels["A-1"] != level {
		t.Errorf("Redis has %+v, %v; want %+v", levels["A-1"], err, level)
	}
}
