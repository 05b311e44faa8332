package stock_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stock"
)

// A shop is the stock in Postgres and in Redis.
type shop struct {
	db    *pgxpool.Pool
	store *stock.Store
	redis *redis.Client
	cache *stock.Cache
}

func openShop(t *testing.T) shop {
	t.Helper()
	db, store := open(t)
	client := stock.OpenRedis(t)
	return shop{db, store, client, stock.NewCache(client, store)}
}

// reconcile runs a replica's reconciler until stop, or the test's end.
func (s shop) reconcile(t *testing.T, every time.Duration) (counted *prometheus.Registry, stop func()) {
	t.Helper()
	reg := prometheus.NewRegistry()
	r := stock.NewReconciler(s.db, s.store, s.cache, every, slog.New(slog.DiscardHandler), reg)
	return reg, background(t, r.Run)
}

// background runs run until stop, which waits for its end, or the test's end.
func background(t *testing.T, run func(context.Context)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx)
	}()
	stop = func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return stop
}

// inRedis returns what Redis holds of a SKU, as text.
func (s shop) inRedis(t *testing.T, sku string) [3]string {
	t.Helper()
	var got [3]string
	for i, v := range s.redis.HMGet(t.Context(), "orderd:stock:"+sku, "level", "version", "guard").Val() {
		got[i], _ = v.(string)
	}
	return got
}

func (s shop) awaitInRedis(t *testing.T, sku string, want [3]string) {
	t.Helper()
	await(t, fmt.Sprintf("%s to be %v in Redis", sku, want), func() bool { return s.inRedis(t, sku) == want })
}

func drifts(t *testing.T, counted *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := counted.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "orderd_stock_drift_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			found[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
	}
	return found
}

func TestReconciler_RepairsRedisAndTellsTheDirection(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		direction stock.Direction
		spoil     func(t *testing.T, s shop) error
		want      [3]string
	}{
		"flushed": {stock.Missing, func(t *testing.T, s shop) error {
			return errors.Join(s.redis.FlushDB(t.Context()).Err(), s.redis.ScriptFlush(t.Context()).Err())
		}, [3]string{"10", "1", "predicate"}},
		"sold without a word to Redis": {stock.High, func(t *testing.T, s shop) error {
			_, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -3, Reason: "broken"})
			return err
		}, [3]string{"7", "2", "predicate"}},
		"restocked without a word to Redis": {stock.Low, func(t *testing.T, s shop) error {
			_, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 3, Reason: "restock"})
			return err
		}, [3]string{"13", "2", "predicate"}},
		"set too high by hand":                       {stock.High, hset("level", 11), [3]string{"10", "1", "predicate"}},
		"set too low by hand":                        {stock.Low, hset("level", 9), [3]string{"10", "1", "predicate"}},
		"of another guard":                           {stock.Version, hset("guard", "none"), [3]string{"10", "1", "predicate"}},
		"newer and higher than a restored Postgres":  {stock.High, hset("level", 99, "version", 50), [3]string{"10", "1", "predicate"}},
		"newer and lower than a restored Postgres":   {stock.Low, hset("level", 1, "version", 50), [3]string{"10", "1", "predicate"}},
		"newer than a restored Postgres, same level": {stock.Version, hset("version", 50), [3]string{"10", "1", "predicate"}},
		"not a number":                               {stock.Missing, hset("level", "many"), [3]string{"10", "1", "predicate"}},
		"not a hash": {stock.Missing, func(t *testing.T, s shop) error {
			return s.redis.Set(t.Context(), "orderd:stock:A-1", "10", 0).Err()
		}, [3]string{"10", "1", "predicate"}},
		"not whole": {stock.Missing, func(t *testing.T, s shop) error {
			return s.redis.HDel(t.Context(), "orderd:stock:A-1", "guard").Err()
		}, [3]string{"10", "1", "predicate"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			item := mustSet(t, s.store, "A-1", 10, "")
			if err := s.cache.PutNewer(t.Context(), item.Level); err != nil {
				t.Fatal(err)
			}
			if err := row.spoil(t, s); err != nil {
				t.Fatal(err)
			}
			counted, stop := s.reconcile(t, 10*time.Millisecond)
			s.awaitInRedis(t, "A-1", row.want)
			stop()
			want := map[string]float64{"high": 0, "low": 0, "missing": 0, "version": 0}
			want[string(row.direction)] = 1
			if got := drifts(t, counted); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("drifts %v, want %v", got, want)
			}
			if problems, err := testutil.GatherAndLint(counted); err != nil || len(problems) > 0 {
				t.Errorf("metrics: %v, %v", problems, err)
			}
		})
	}
}

func hset(values ...any) func(*testing.T, shop) error {
	return func(t *testing.T, s shop) error {
		return s.redis.HSet(t.Context(), "orderd:stock:A-1", values...).Err()
	}
}

// A level in Redis with a version that Postgres does not have refuses every write-back. While
// the reconciler repairs it, sales go on.
func TestReconciler_NeverTakesANewerLevelBack(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	item := mustSet(t, s.store, "A-1", 1000, "")
	s.reconcile(t, time.Millisecond)
	s.reconcile(t, time.Millisecond)
	for range 300 {
		var err error
		if item, _, err = s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -1, Reason: "broken"}); err != nil {
			t.Fatal(err)
		}
		if err = s.cache.PutNewer(t.Context(), item.Level); err != nil {
			t.Fatal(err)
		}
		levels, err := s.cache.Levels(t.Context(), []string{"A-1"})
		if err != nil || levels["A-1"] != item.Level {
			t.Fatalf("Redis has %+v, %v; want %+v, which was learned last", levels["A-1"], err, item.Level)
		}
		if item.Version%100 == 0 {
			if err := hset("level", 5000, "version", 1_000_000)(t, s); err != nil {
				t.Fatal(err)
			}
			s.awaitInRedis(t, "A-1", [3]string{fmt.Sprint(item.OnHand), fmt.Sprint(item.Version), "predicate"})
		}
	}
}

// An emptied Redis is refilled by one page after the other.
func TestReconciler_RefillsRedis(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	const skus = 30_000
	if _, err := s.db.Exec(t.Context(), `
		INSERT INTO stock (sku, on_hand) SELECT 'S-' || lpad(n::text, 6, '0'), 10 FROM generate_series(1, $1) AS n`, skus); err != nil {
		t.Fatal(err)
	}
	counted, _ := s.reconcile(t, 200*time.Millisecond)
	await(t, "Redis to be filled", func() bool { return s.redis.DBSize(t.Context()).Val() == skus })
	if got := drifts(t, counted)["missing"]; got != skus {
		t.Errorf("%v levels were missing, want %d", got, skus)
	}
}

func TestReconciler_AnotherGoesOnWhenOneDies(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	mustSet(t, s.store, "A-1", 10, "")
	first, stop := s.reconcile(t, 10*time.Millisecond)
	s.awaitInRedis(t, "A-1", [3]string{"10", "1", "predicate"})
	second, _ := s.reconcile(t, 10*time.Millisecond)
	stop()
	if _, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -3, Reason: "broken"}); err != nil {
		t.Fatal(err)
	}
	s.awaitInRedis(t, "A-1", [3]string{"7", "2", "predicate"})
	if got := drifts(t, first)["missing"] + drifts(t, second)["missing"]; got != 1 {
		t.Errorf("%v missing, want the 1 that was", got)
	}
	if got := drifts(t, second)["high"]; got != 1 {
		t.Errorf("the second found %v too high, want 1", got)
	}
}

// The row with its position may be deleted, and Postgres' clock may be set back after it was
// written.
func TestReconciler_GoesOnWhateverBecomesOfItsPlace(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	mustSet(t, s.store, "A-1", 10, "")
	s.reconcile(t, 10*time.Millisecond)
	s.awaitInRedis(t, "A-1", [3]string{"10", "1", "predicate"})
	for _, change := range []string{
		"UPDATE ledger_readers SET read_at = clock_timestamp() + interval '1 hour'", "DELETE FROM ledger_readers",
	} {
		if _, err := s.db.Exec(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		if err := s.redis.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		s.awaitInRedis(t, "A-1", [3]string{"10", "1", "predicate"})
		await(t, "its place to be there", func() (there bool) {
			err := s.db.QueryRow(t.Context(), "SELECT exists (SELECT FROM ledger_readers WHERE read_at <= now())").Scan(&there)
			return err == nil && there
		})
	}
}

// While Redis is down passes fail, and once it is back it is repaired.
func TestReconciler_OutlivesRedis(t *testing.T) {
	t.Parallel()
	s := openShop(t)
	server := ownRedis(t, "reconciler-redis")
	s.redis = redis.NewClient(&redis.Options{Addr: server.Addr, MaxRetries: -1})
	t.Cleanup(func() { s.redis.Close() })
	s.cache = stock.NewCache(s.redis, s.store)
	mustSet(t, s.store, "A-1", 10, "")
	counted, _ := s.reconcile(t, 10*time.Millisecond)
	s.awaitInRedis(t, "A-1", [3]string{"10", "1", "predicate"})
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	await(t, "a pass to fail", func() bool { return counter(t, counted, "orderd_reconcile_failures_total") > 0 })
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.awaitInRedis(t, "A-1", [3]string{"10", "1", "predicate"})
}

// The time of the last pass is reported from the start: an alert would otherwise wait for a
// first pass that never completes.
func TestReconciler_TellsOfItsStart(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	before := time.Now().Unix()
	stock.NewReconciler(nil, nil, nil, time.Hour, slog.Default(), reg)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "orderd_reconcile_last_pass_timestamp_seconds" {
			if at := f.GetMetric()[0].GetGauge().GetValue(); at < float64(before) {
				t.Errorf("the last pass is told to be at %v, want %v or later", at, before)
			}
			return
		}
	}
	t.Error("nothing tells of the last pass")
}
