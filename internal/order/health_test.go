package order_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// The answer names what is unavailable; why is in the log, for every one.
func TestHealth_LogsWhy(t *testing.T) {
	t.Parallel()
	var logged bytes.Buffer
	down := func(context.Context) error { return errors.New("no route to host") }
	h := order.NewHealth(slog.New(slog.NewTextHandler(&logged, nil)),
		order.Check{Name: "postgres", Ask: down}, order.Check{Name: "lock", Ask: down})
	rec := httptest.NewRecorder()
	h.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	if strings.Contains(rec.Body.String(), "route") {
		t.Errorf("the answer tells why: %s", rec.Body)
	}
	for _, name := range []string{"postgres", "lock"} {
		if !strings.Contains(logged.String(), `check=`+name+` err="no route to host"`) {
			t.Errorf("the log lacks why %s is unavailable:\n%s", name, logged.String())
		}
	}
}

// Anybody may ask whether orders can be taken. The dependencies are asked once at a time,
// however many callers there are.
func TestHealth_ManyWhoAskShareTheAnswer(t *testing.T) {
	t.Parallel()
	var asking, most atomic.Int64
	health := order.NewHealth(slog.New(slog.DiscardHandler), order.Check{Name: "postgres", Ask: func(context.Context) error {
		defer asking.Add(-1)
		if n := asking.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(10 * time.Millisecond) // how long a check takes
		return nil
	}})
	s := openShop(t, locking.NewNone())
	handler := order.NewHandler(order.HandlerConfig{
		Service: s.Service, Stock: &stock.Routes{Store: s.Store, Cache: s.Cache, Shortages: s.Shortages, Log: s.Log, Client: access.ClientOf},
		Locks: s.Locks, Health: health, Replica: "r1", Version: "test",
	})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/readyz", nil))
			if rec.Code != http.StatusOK {
				t.Errorf("/readyz = %d %s", rec.Code, rec.Body)
			}
		})
	}
	all.Wait()
	if n := most.Load(); n != 1 {
		t.Errorf("Postgres was asked %d times at once, want 1", n)
	}
}
