package order_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orderd/internal/order"
)

// Once COMMIT is on its way the order's fate is the transaction's, and Redis learns what it has
// left, whoever waits for it.
func TestService_WhatIsCommittedIsWrittenBackThoughTheClientLeaves(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	client, leave := context.WithCancel(t.Context())
	s.observe(t, func(_ context.Context, sql string) {
		if sql == "commit" {
			leave()
		}
	})
	if _, err := s.Place(client, one("A-1")); err != nil || client.Err() == nil {
		t.Errorf("Place = %v (client: %v), want it placed although the client left at COMMIT", err, client.Err())
	}
	s.mustHave(t, "A-1", 4, 1)
}

// Clients may wait for ever, and no request waits for Postgres for ever.
func TestHTTP_PostgresIsAskedNothingWithoutALimit(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	var asked atomic.Int64
	s.observe(t, func(ctx context.Context, sql string) {
		asked.Add(1)
		if end, limited := ctx.Deadline(); !limited || time.Until(end) > order.RequestLimit {
			t.Errorf("%q may take until %v (limited: %v)", sql, end, limited)
		}
	})
	var path string // of an order
	for _, row := range []struct{ method, path, key, body string }{
		{http.MethodGet, "/readyz", "", ""},
		{http.MethodPut, "/v1/stock/A-1", "", `{"on_hand":50}`},
		{http.MethodPost, "/v1/orders", "", `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":60}`},
		{http.MethodPost, "/v1/orders", "k", buyOne},
		{http.MethodPost, "/v1/orders", "k", buyOne},
		{http.MethodPost, "/v1/orders", "", `{"lines":[{"sku":"A-1","quantity":51}]}`},
		{http.MethodGet, "/v1/orders", "", ""},
		{http.MethodGet, "{order}", "", ""},
		{http.MethodPost, "{order}/confirm", "", ""},
		{http.MethodPost, "{order}/cancel", "", ""},
		{http.MethodGet, "/v1/stock", "", ""},
		{http.MethodGet, "/v1/stock/A-1", "", ""},
		{http.MethodPost, "/v1/stock/A-1/adjustments", "", `{"delta":1,"reason":"restock"}`},
		{http.MethodGet, "/v1/stock/A-1/movements", "", ""},
		{http.MethodDelete, "/v1/locks/A-1", "", ""},
	} {
		before := asked.Load()
		req := httptest.NewRequestWithContext(context.Background(), row.method, strings.Replace(row.path, "{order}", path, 1), strings.NewReader(row.body))
		if row.body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		if row.key != "" {
			req.Header.Set("Idempotency-Key", row.key)
		}
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		if asked.Load() == before || rec.Code >= http.StatusInternalServerError {
			t.Errorf("%s %s is answered %d %s, with %d statements", row.method, row.path, rec.Code, rec.Body, asked.Load()-before)
		}
		if at := rec.Header().Get("Location"); path == "" {
			path = at
		}
	}
}
