package stock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stock"
)

const stream = "orderd:events"

// relay runs a replica's relay until stop, or the test's end. It delivers what is written after
// relay returns.
func (s shop) relay(t *testing.T, client redis.UniversalClient) (counted *prometheus.Registry, stop func()) {
	t.Helper()
	reg := prometheus.NewRegistry()
	r := stock.NewRelay(s.db, client, stream, 100_000, slog.New(slog.DiscardHandler), reg)
	stop = background(t, r.Run)
	await(t, "the relay to begin", func() (begun bool) {
		err := s.db.QueryRow(t.Context(), "SELECT exists (SELECT FROM ledger_readers WHERE name = $1)", "events "+stream).Scan(&begun)
		return err == nil && begun
	})
	return reg, stop
}

// entries returns what is in the stream.
func entries(t *testing.T, client redis.UniversalClient) []redis.XMessage {
	t.Helper()
	found, err := client.XRange(t.Context(), stream, "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// checkOrder fails unless each SKU's versions, first deliveries only, follow one
// another from 1, and each repeat has the id that it had before. It returns the
// number of events and of repeats.
func checkOrder(t *testing.T, found []redis.XMessage) (events, repeats int) {
	t.Helper()
	last := map[any]int{}
	ids := map[string]any{}
	for _, e := range found {
		version, err := strconv.Atoi(fmt.Sprint(e.Values["version"]))
		if err != nil {
			t.Fatal(err)
		}
		sku := e.Values["sku"]
		name := fmt.Sprint(sku, " ", version)
		if id, again := ids[name]; again {
			if repeats++; id != e.Values["id"] {
				t.Errorf("%s has the id %v and again %v", name, id, e.Values["id"])
			}
			continue
		}
		if events++; version != last[sku]+1 {
			t.Errorf("version %d of %v follows %d", version, sku, last[sku])
		}
		ids[name], last[sku] = e.Values["id"], version
	}
	return events, repeats
}

func (s shop) movements(t *testing.T) (n int) {
	t.Helper()
	if err := s.db.QueryRow(t.Context(), "SELECT count(*) FROM movements").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s shop) awaitDelivered(t *testing.T) {
	t.Helper()
	want := s.movements(t)
	await(t, fmt.Sprintf("%d events", want), func() bool {
		n, _ := checkOrder(t, entries(t, s.redis))
		return n == want
	})
}

func TestRelay_TellsWhatHappened(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	mustSet(t, s.store, "OLD", 1, "")
	counted, _ := s.relay(t, s.redis)
	mustSet(t, s.store, "A-1", 10, "")
	if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -3, Reason: "broken"}); err != nil {
		t.Fatal(err)
	}
	await(t, "two events", func() bool { return len(entries(t, s.redis)) == 2 })
	movements, err := s.store.Movements(t.Context(), "A-1", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries(t, s.redis) {
		m := movements[i]
		want := map[string]any{
			"id": strconv.Itoa(i + 2), "sku": "A-1", "version": strconv.Itoa(i + 1), "delta": []string{"10", "-3"}[i],
			"on_hand": []string{"10", "7"}[i], "reason": []string{"created", "broken"}[i], "order_id": "",
			"at": m.At.UTC().Format("2006-01-02T15:04:05.999999999Z07:00"),
		}
		if fmt.Sprint(e.Values) != fmt.Sprint(want) {
			t.Errorf("event %v, want %v", e.Values, want)
		}
	}
	// Events are counted only after the position is stored.
	await(t, "two to be counted", func() bool { return counter(t, counted, "orderd_events_delivered_total") >= 2 })
	if got := counter(t, counted, "orderd_events_delivered_total"); got != 2 {
		t.Errorf("%v delivered, want 2: what was before is not told", got)
	}
	if problems, err := testutil.GatherAndLint(counted); err != nil || len(problems) > 0 {
		t.Errorf("metrics: %v, %v", problems, err)
	}
}

// Two relays, four writers on few SKUs, and transactions that take ids and roll back: ids and
// commits are in different orders.
func TestRelay_KeepsEachSKUsOrder(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.relay(t, s.redis)
	s.relay(t, s.redis)
	skus := []string{"A", "B", "C"}
	for _, sku := range skus {
		mustSet(t, s.store, sku, 10_000, "")
	}
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 150 {
				sku := skus[(w+n)%len(skus)]
				if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: sku, Delta: -1, Reason: "broken"}); err != nil {
					t.Error(err)
				}
				if n%10 == 0 {
					tx := s.change(t, sku)
					if err := tx.Rollback(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	writers.Wait()
	s.awaitDelivered(t)
	if _, repeats := checkOrder(t, entries(t, s.redis)); repeats > 0 {
		t.Errorf("%d repeats although nothing went wrong", repeats)
	}
}

// change changes a SKU in a transaction that is still open.
func (s shop) change(t *testing.T, sku string) pgx.Tx {
	t.Helper()
	tx, err := s.db.Begin(t.Context())
	if err != nil {
		t.Error(err)
		return nil
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	_, err = tx.Exec(t.Context(), `
		WITH changed AS (UPDATE stock SET on_hand = on_hand + 1, version = version + 1 WHERE sku = $1 RETURNING *)
		INSERT INTO movements (sku, delta, reason, on_hand, version, replica) SELECT sku, 1, 'restock', on_hand, version, 'r' FROM changed`, sku)
	if err != nil {
		t.Error(err)
	}
	return tx
}

// awaitSettling waits until a reader of the ledger polls for the end of the transactions that
// may still write below its mark.
func (s shop) awaitSettling(t *testing.T) {
	t.Helper()
	await(t, "the relay to look for whom it waits", func() (seen bool) {
		err := s.db.QueryRow(t.Context(), `
			SELECT exists (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%= ANY ($1))%')`).Scan(&seen)
		return err == nil && seen
	})
}

// A row whose id is lower than that of rows committed before it must not be skipped.
func TestRelay_WaitsForWhoWritesBelow(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	s.relay(t, s.redis)
	mustSet(t, s.store, "A", 1, "")
	mustSet(t, s.store, "B", 1, "")
	s.awaitDelivered(t)
	late := s.change(t, "A")
	if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "B", Delta: 1, Reason: "restock"}); err != nil {
		t.Fatal(err)
	}
	s.awaitSettling(t)
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitDelivered(t)
}

// A relay that starts while transactions are writing registers only after they have ended, so
// that no row can appear below its start.
func TestRelay_BeginsBehindWhoIsWriting(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	mustSet(t, s.store, "A", 1, "")
	mustSet(t, s.store, "B", 1, "")
	late := s.change(t, "A")
	if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "B", Delta: 1, Reason: "restock"}); err != nil {
		t.Fatal(err)
	}
	r := stock.NewRelay(s.db, s.redis, stream, 100, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	background(t, r.Run)
	s.awaitSettling(t)
	begun := func() (begun bool) {
		if err := s.db.QueryRow(t.Context(), "SELECT exists (SELECT FROM ledger_readers)").Scan(&begun); err != nil {
			t.Fatal(err)
		}
		return begun
	}
	if begun() {
		t.Error("it has begun, though somebody is about to write what is before that")
	}
	if err := late.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, "the relay to begin", begun)
}

// crashOnce fails a batch after Redis has taken it, as if the relay had died there.
type crashOnce struct{ crashed atomic.Bool }

func (*crashOnce) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*crashOnce) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (c *crashOnce) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		batch := slices.ContainsFunc(commands, func(c redis.Cmder) bool { return c.Name() == "xadd" })
		if err == nil && batch && c.crashed.CompareAndSwap(false, true) {
			return errors.New("the relay died")
		}
		return err
	}
}

func TestRelay_DeliversAgainWhatItDoesNotKnowIsDelivered(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	client := redis.NewClient(s.redis.Options())
	t.Cleanup(func() { client.Close() })
	client.AddHook(&crashOnce{})
	s.relay(t, client)
	mustSet(t, s.store, "A", 5, "")
	if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A", Delta: 1, Reason: "restock"}); err != nil {
		t.Fatal(err)
	}
	await(t, "the repeat", func() bool {
		_, repeats := checkOrder(t, entries(t, s.redis))
		return repeats > 0
	})
	s.awaitDelivered(t)
}

// While Redis is down events wait in the ledger, and the metrics say so. Another relay takes
// over where the first one stopped.
func TestRelay_LosesNothingWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	server := ownRedis(t, "relay-redis")
	s.redis = redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { s.redis.Close() })
	first, stop := s.relay(t, s.redis)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	mustSet(t, s.store, "A", 1, "")
	const more = 700 // several batches
	if _, err := s.db.Exec(t.Context(), `
		INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		SELECT 'A', 0, 'test', 1, 1 + n, 'r' FROM generate_series(1, $1::int) AS n`, more); err != nil {
		t.Fatal(err)
	}
	await(t, "the metrics to tell", func() bool {
		return counter(t, first, "orderd_events_backlog") == 1+more && counter(t, first, "orderd_events_lag_seconds") > 0 &&
			counter(t, first, "orderd_events_failures_total") > 0
	})
	stop()
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _ := s.relay(t, s.redis)
	s.awaitDelivered(t)
	await(t, "the metrics to tell", func() bool {
		return counter(t, second, "orderd_events_backlog") == 0 && counter(t, second, "orderd_events_lag_seconds") == 0
	})
	if n, repeats := checkOrder(t, entries(t, s.redis)); n != 1+more || repeats != 0 {
		t.Errorf("%d events and %d repeats, want %d", n, repeats, 1+more)
	}
}

func TestRelay_BoundsTheStream(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	r := stock.NewRelay(s.db, s.redis, stream, 100, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if _, err := s.db.Exec(t.Context(), "INSERT INTO ledger_readers (name, position) VALUES ($1, 0)", "events "+stream); err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.Exec(t.Context(), `
		INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		SELECT 'A', 0, 'test', 1, n, 'r' FROM generate_series(1, 2000) AS n`); err != nil {
		t.Fatal(err)
	}
	background(t, r.Run)
	await(t, "the last event", func() bool {
		last, err := s.redis.XRevRangeN(t.Context(), stream, "+", "-", 1).Result()
		return err == nil && len(last) == 1 && last[0].Values["version"] == "2000"
	})
	if n := s.redis.XLen(t.Context(), stream).Val(); n > 300 { // Redis drops whole nodes of 100
		t.Errorf("%d entries are kept, want about 100", n)
	}
}
