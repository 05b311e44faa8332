package stock_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

func TestMain(m *testing.M) { stacktest.Main(m) }

var await = stacktest.Await

// open returns a migrated database of the test's own and the stock in it.
func open(t *testing.T) (*pgxpool.Pool, *stock.Store) {
	t.Helper()
	db := stock.OpenMigrated(t, stacktest.MigratedPostgres(t))
	return db, stock.NewStore(db, "r1")
}

func mustSet(t *testing.T, s *stock.Store, sku string, onHand int64, guard stock.Guard) stock.Item {
	t.Helper()
	item, _, err := s.Set(t.Context(), sku, onHand, guard)
	if err != nil {
		t.Fatalf("Set(%q, %d) = %v", sku, onHand, err)
	}
	return item
}

// levelsFunc is a levelReader made of a function.
type levelsFunc func(ctx context.Context, skus []string) ([]stock.Level, error)

func (f levelsFunc) Levels(ctx context.Context, skus []string) ([]stock.Level, error) {
	return f(ctx, skus)
}

var ownServers atomic.Int64

// ownRedis starts a server for the test to kill.
func ownRedis(t *testing.T, name string) *stack.Redis {
	t.Helper()
	name += "-" + strconv.FormatInt(ownServers.Add(1), 10) // a test may be run twice
	server, err := stacktest.Stack(t).Redis(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			t.Errorf("stop %s: %v", name, err)
		}
	})
	return server
}

// counter returns the value of a metric that has no labels.
func counter(t *testing.T, counted *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := counted.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
