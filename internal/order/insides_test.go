package order_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stack/stacktest"
)

// Internal errors are only logged: an answer names no table, statement, address, version or
// line of code.
func TestInsides_StayInside(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	orders := []string{`{"lines":[{"sku":"A-1","quantity":1}]}`, `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":5}`}
	ask := func(what string, least int) {
		t.Helper()
		for _, row := range []struct{ method, path, body string }{
			{http.MethodPost, "/v1/orders", orders[0]}, {http.MethodPost, "/v1/orders", orders[1]},
			{http.MethodGet, "/v1/orders", ""}, {http.MethodGet, "/v1/orders/018f6b1e-0000-7000-8000-000000000000", ""},
			{http.MethodPost, "/v1/orders/018f6b1e-0000-7000-8000-000000000000/cancel", ""},
			{http.MethodGet, "/v1/stock/A-1", ""}, {http.MethodPut, "/v1/stock/A-1", `{"on_hand":5}`},
			{http.MethodGet, "/readyz", ""},
		} {
			rec := s.send(t, row.method, row.path, row.body)
			if rec.Code < least {
				t.Errorf("%s: %s %s is answered %d, want an error of ours", what, row.method, row.path, rec.Code)
			}
			for _, inside := range []string{"SQLSTATE", "relation", "ERROR", "SELECT", "INSERT", "127.0.0.1", "dial", "pgx", "redis:", "goroutine", ".go", "/internal/", "closed pool"} {
				if text := rec.Body.String(); strings.Contains(text, inside) {
					t.Errorf("%s: %s %s tells %q: %s", what, row.method, row.path, inside, text)
				}
			}
		}
	}
	without := func(what string, locks locking.Locker, redisURL string) {
		t.Helper()
		broken := openShopOn(t, s.db.Config().ConnString(), redisURL, locks)
		for _, body := range orders {
			rec := broken.send(t, http.MethodPost, "/v1/orders", body)
			if p := problemIn(t, rec); rec.Code != http.StatusServiceUnavailable || p.Code != "unavailable" || p.Detail != "" || len(p.Errors) != 0 {
				t.Errorf("without %s an order is answered %d %s, want 503 and no more than that", what, rec.Code, rec.Body)
			}
		}
	}
	nobody := "redis://" + stacktest.UnusedAddress(t)
	without("the stock's Redis", locking.NewNone(), nobody)
	without("the locks' Redis", order.OpenRedisLocks(t, nobody, time.Second), stacktest.Redis(t))
	for _, table := range []string{"stock", "orders"} {
		if _, err := s.db.Exec(t.Context(), "ALTER TABLE "+table+" RENAME TO "+table+"_of_another_version"); err != nil {
			t.Fatal(err)
		}
	}
	ask("without the schema", http.StatusInternalServerError)
	s.db.Close()
	ask("without Postgres", http.StatusInternalServerError)
}

// No member of a request sets what only orderd may set, and no text of one is ever
// executed.
func TestInsides_AreNotSettable(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 100, "")
	for _, member := range []string{
		`"id":"018f6b1e-0000-7000-8000-000000000000"`, `"status":"confirmed"`, `"client":"other"`, `"price":0`, `"created_at":"2020-01-01T00:00:00Z"`,
		`"token":9`, `"fence":9`, `"guard":"none"`, `"version":9`, `"replica":"r9"`, `"hold_expires_at":"2020-01-01T00:00:00Z"`, `"idempotency_key":"k"`, `"$schema":"x"`,
	} {
		body := `{"lines":[{"sku":"A-1","quantity":1}],` + member + `}`
		if rec := s.send(t, http.MethodPost, "/v1/orders", body); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("an order with %s is answered %d %s, want 422", member, rec.Code, rec.Body)
		}
	}
	for _, member := range []string{`"version":9`, `"sold":0`, `"fence":9`, `"received":9`, `"sku":"B-1"`} {
		if rec := s.send(t, http.MethodPut, "/v1/stock/A-1", `{"on_hand":1,`+member+`}`); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("a level with %s is answered %d %s, want 422", member, rec.Code, rec.Body)
		}
	}
	if n := s.count(t, "orders"); n != 0 {
		t.Errorf("%d orders, want none", n)
	}

	const injected = `');DROP/**/TABLE/**/movements;--`
	c := s.guard(t, nil)
	rec := s.keyed(t, c.buyer, injected, `{"lines":[{"sku":"A-1","quantity":1}]}`)
	if rec.Code != http.StatusCreated {
		t.Fatalf("an order with the key %s is answered %d %s", injected, rec.Code, rec.Body)
	}
	// It is a key like any other.
	again := s.keyed(t, c.buyer, injected, `{"lines":[{"sku":"A-1","quantity":1}]}`)
	if again.Code != http.StatusCreated || again.Body.String() != rec.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same key again is answered %d %s, want %s replayed", again.Code, again.Body, rec.Body)
	}
	for _, row := range []struct{ method, path, body string }{
		{http.MethodPost, "/v1/orders", `{"lines":[{"sku":"A-1` + injected + `","quantity":1}]}`},
		{http.MethodGet, "/v1/stock/A-1'%3BDROP", ""},
		{http.MethodPost, "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"` + injected + `"}`},
		{http.MethodGet, "/v1/orders?cursor=" + "'%3BDROP", ""},
		{http.MethodGet, "/v1/stock?limit=1%3BDROP", ""},
	} {
		if rec := s.ask(t, row.method, row.path, row.body, "Bearer "+c.admin); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s %s %s is answered %d %s, want 422", row.method, row.path, row.body, rec.Code, rec.Body)
		}
	}
	if n := s.count(t, "movements"); n != 2 {
		t.Errorf("%d movements, want 2", n)
	}
}
