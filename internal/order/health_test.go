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
	"testing/synctest"
	"time"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

func TestHTTP_Health(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	if rec := s.send(t, http.MethodGet, "/livez", ""); rec.Code != http.StatusOK {
		t.Errorf("/livez = %d %s, want 200", rec.Code, rec.Body)
	}
	// The first connection to Postgres may take longer than a check on a busy machine.
	await(t, "/readyz is 200", func() bool { return s.send(t, http.MethodGet, "/readyz", "").Code == http.StatusOK })
	if rec := s.send(t, http.MethodHead, "/readyz", ""); rec.Code != http.StatusOK {
		t.Errorf("HEAD /readyz = %d, want what GET says", rec.Code)
	}
	if _, err := s.db.Exec(t.Context(), "ALTER TABLE stock RENAME TO stock_of_another_version"); err != nil {
		t.Fatal(err)
	}
	if rec := s.send(t, http.MethodGet, "/readyz", ""); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), `"postgres":"unavailable"`) {
		t.Errorf("/readyz without the schema = %d %s, want 503 and Postgres named", rec.Code, rec.Body)
	}
	const order = "/v1/orders/019ad3f2-0000-7000-8000-000000000000"
	if rec := s.send(t, http.MethodGet, order, ""); rec.Header().Get("Connection") != "" {
		t.Errorf("an answer closes its connection before the drain: %v", rec.Header())
	}
	s.health.Drain()
	if rec := s.send(t, http.MethodGet, order, ""); rec.Code != http.StatusNotFound || rec.Header().Get("Connection") != "close" {
		t.Errorf("while draining an order is answered %d %v, want 404, and that the connection is closed", rec.Code, rec.Header())
	}
	if rec := s.send(t, http.MethodGet, "/readyz", ""); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "draining") {
		t.Errorf("/readyz while draining = %d %s, want 503", rec.Code, rec.Body)
	}
	if rec := s.send(t, http.MethodGet, "/livez", ""); rec.Code != http.StatusOK {
		t.Errorf("/livez while draining = %d, want 200", rec.Code)
	}
}

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

// A dependency that does not answer at all is unavailable, too, before the balancer gives up.
func TestHealth_ADependencyThatHangsIsUnavailable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := order.NewHealth(slog.New(slog.DiscardHandler), order.Check{Name: "lock", Ask: func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		began := time.Now()
		rec := httptest.NewRecorder()
		h.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if took := time.Since(began); rec.Code != http.StatusServiceUnavailable || took > time.Second {
			t.Errorf("/readyz is answered %d after %v, want 503 within a second", rec.Code, took)
		}
	})
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
