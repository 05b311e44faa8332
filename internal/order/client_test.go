package order_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orderd/internal/locking"
	"orderd/internal/order"
)

// keyed places an order with an API key, and an idempotency key unless that is empty.
func (s *shop) keyed(t *testing.T, key, idempotency, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	if idempotency != "" {
		req.Header.Set("Idempotency-Key", idempotency)
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return rec
}

// Orders and idempotency keys belong to their client, whichever way they were placed: for
// others they do not exist.
func TestClients_HaveTheirOwnOrdersAlone(t *testing.T) {
	t.Parallel()
	const plain, hold = `{"lines":[{"sku":"A-1","quantity":1}]}`, `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":60}`
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t, openRedisLocks(t))
			if groups {
				s.Lanes = order.NewLanes(s.Service, 64)
				t.Cleanup(s.Lanes.Close)
			}
			s.mustSet(t, "A-1", 100, "")
			c := s.guard(t, nil)
			for what, row := range map[string]struct{ idempotency, body string }{
				"an order": {"", plain}, "an order with a key": {"k-1", plain}, "a hold": {"", hold}, "a hold with a key": {"k-2", hold},
			} {
				rec := s.keyed(t, c.buyer, row.idempotency, row.body)
				place := rec.Header().Get("Location")
				if rec.Code != http.StatusCreated || place == "" {
					t.Fatalf("%s is answered %d %s", what, rec.Code, rec.Body)
				}
				for who, key := range map[string]string{"another buyer": c.other, "an admin": c.admin} {
					for _, ask := range []*httptest.ResponseRecorder{
						s.ask(t, http.MethodGet, place, "", "Bearer "+key),
						s.ask(t, http.MethodPost, place+"/cancel", "", "Bearer "+key),
						s.ask(t, http.MethodPost, place+"/confirm", "", "Bearer "+key),
					} {
						if p := problemIn(t, ask); ask.Code != http.StatusNotFound || p.Code != "not_found" {
							t.Errorf("%s: %s is answered %d %s, want 404", what, who, ask.Code, ask.Body)
						}
					}
				}
				if own := s.ask(t, http.MethodGet, place, "", "Bearer "+c.buyer); own.Code != http.StatusOK {
					t.Errorf("%s: its own client is answered %d %s", what, own.Code, own.Body)
				}
			}
			if list := s.ask(t, http.MethodGet, "/v1/orders", "", "Bearer "+c.other); list.Body.String() != `{"items":[]}`+"\n" {
				t.Errorf("the other buyer's list is %s, want it empty", list.Body)
			}
			if list := s.ask(t, http.MethodGet, "/v1/orders", "", "Bearer "+c.buyer); strings.Count(list.Body.String(), `"id"`) != 4 {
				t.Errorf("the buyer's list is %s, want its 4 orders", list.Body)
			}
			// The same key from another client is another key: it places an order of its own.
			first, again := s.keyed(t, c.buyer, "k-1", plain), s.keyed(t, c.other, "k-1", plain)
			if first.Header().Get("Idempotent-Replayed") != "true" || again.Code != http.StatusCreated ||
				again.Header().Get("Idempotent-Replayed") != "" || again.Header().Get("Location") == first.Header().Get("Location") {
				t.Errorf("the same key is answered %d %s to its client and %d %s to another", first.Code, first.Body, again.Code, again.Body)
			}
		})
	}
}

// A client's orders are found by an index, however many orders the others have.
func TestClients_AListIsNotSearchedForAmongAllOrders(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	_, err := s.db.Exec(t.Context(), `
		INSERT INTO orders (id, client, status)
		SELECT gen_random_uuid(), 'busy', 'confirmed' FROM generate_series(1, 20000)`)
	if err == nil {
		_, err = s.db.Exec(t.Context(), "ANALYZE orders")
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 10 { // more than the executions before Postgres considers a generic plan
		if _, err := s.Ledger.List(t.Context(), "quiet", uuid.Nil, 100); err != nil {
			t.Fatal(err)
		}
	}
	var scans, read int
	if _, err := s.db.Exec(t.Context(), "SELECT pg_stat_force_next_flush()"); err != nil {
		t.Fatal(err)
	}
	s.db.Reset() // sessions report their statistics when they end
	for deadline := time.Now().Add(10 * time.Second); scans < 10; time.Sleep(10 * time.Millisecond) {
		err := s.db.QueryRow(t.Context(), `
			SELECT sum(idx_scan) FILTER (WHERE indexrelname = 'orders_client'), sum(idx_tup_read) FROM pg_stat_user_indexes
			WHERE relname = 'orders'`).Scan(&scans, &read)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d scans of orders_client, %v; want 10", scans, err)
		}
	}
	if read > 100 {
		t.Errorf("%d entries read for lists that are empty", read)
	}
}
