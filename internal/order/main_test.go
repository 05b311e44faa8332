package order_test

import (
	"context"
	"flag"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

func TestMain(m *testing.M) {
	// Groups are small and cheap to check: enough of them to include rare cases.
	if err := flag.Set("rapid.checks", "100000"); err != nil {
		panic(err)
	}
	stacktest.Main(m)
}

var await = stacktest.Await

// A shop is a whole service in the test's own process, on real servers.
type shop struct {
	*order.Service
	db      *pgxpool.Pool
	redis   *redis.Client
	metrics *prometheus.Registry
	routes  http.Handler // as orderd has it
	handler http.Handler // the same, checked against its OpenAPI document
	health  *order.Health
}

// openShop opens a shop that takes its leases from locks.
func openShop(t *testing.T, locks locking.Locker) *shop {
	t.Helper()
	url := stacktest.MigratedPostgres(t)
	return openShopOn(t, url, stacktest.Redis(t), locks)
}

func openShopOn(t *testing.T, databaseURL, redisURL string, locks locking.Locker) *shop {
	t.Helper()
	db, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	client := stacktest.OpenRedis(t, redisURL)
	t.Cleanup(func() {
		locks.Close()
		db.Close()
	})
	store := stock.NewStore(db, "r1")
	cache, truth := stock.NewCache(client, store), stock.NewShortages(store)
	reg := prometheus.NewRegistry()
	s := &shop{db: db, redis: client, metrics: reg, Service: &order.Service{
		Locks: locks, LockWait: 20 * time.Second, LockMargin: 50 * time.Millisecond,
		Store: store, Cache: cache, Shortages: truth, Ledger: order.NewLedger(db, "r1"),
		Log: slog.New(slog.DiscardHandler), Metrics: order.NewMetrics(reg),
	}}
	s.health = order.NewHealth(s.Log, order.Check{Name: "postgres", Ask: store.Ping})
	s.serve(t, nil, nil)
	return s
}

// Place places an order without a key.
func (s *shop) Place(ctx context.Context, lines []order.Line) (order.Order, error) {
	return s.Service.Place(ctx, order.Request{Lines: lines})
}

func (s *shop) mustSet(t *testing.T, sku string, onHand int64, guard stock.Guard) {
	t.Helper()
	if _, _, err := s.Store.Set(t.Context(), sku, onHand, guard); err != nil {
		t.Fatalf("Set(%q) = %v", sku, err)
	}
}

func (s *shop) mustGet(t *testing.T, sku string) stock.Item {
	t.Helper()
	item, err := s.Store.Get(t.Context(), sku)
	if err != nil {
		t.Fatalf("Get(%q) = %v", sku, err)
	}
	return item
}

func (s *shop) count(t *testing.T, table string) (n int) {
	t.Helper()
	if err := s.db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func one(sku string) []order.Line { return []order.Line{{SKU: sku, Quantity: 1}} }

// send makes a request of the shop's handler; a body is sent as JSON.
func (s *shop) send(t *testing.T, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return rec
}
