package order_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// Values just within the bounds are accepted as they are, and sums do not overflow.
func TestBounds_WhatIsWithin(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	if rec := s.send(t, http.MethodPut, "/v1/stock/A-1", fmt.Sprintf(`{"on_hand":%d}`, int64(stock.MaxOnHand))); rec.Code != http.StatusCreated {
		t.Fatalf("the highest level is answered %d %s, want 201", rec.Code, rec.Body)
	}
	full := strings.Repeat(`{"sku":"A-1","quantity":10000},`, 19)
	left := int64(stock.MaxOnHand)
	for body, units := range map[string]int64{
		`{"lines":[{"sku":"A-1","quantity":1}]}`:                          1,
		`{"lines":[{"sku":"A-1","quantity":10000}]}`:                      10_000,
		`{"lines":[` + full + `{"sku":"A-1","quantity":10000}]}`:          200_000,
		`{"lines":[` + full + `{"quantity":1,"sku":"A-1"}]}`:              190_001,
		`{"lines":[{"sku":"A-1","quantity":2}],"hold_seconds":3600}`:      2,
		`{"lines":[{"sku":"\u0041-1","quantity":3}],"hold_seconds":1}   `: 3,
	} {
		rec := s.send(t, http.MethodPost, "/v1/orders", body)
		left -= units
		if want := fmt.Sprintf(`"quantity":%d,"remaining":%d,`, units, left); rec.Code != http.StatusCreated || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%.60s is answered %d %s, want %s", body, rec.Code, rec.Body, want)
		}
	}
	for _, delta := range []int64{stock.MaxOnHand - left, -stock.MaxOnHand} {
		left += delta
		rec := s.send(t, http.MethodPost, "/v1/stock/A-1/adjustments", fmt.Sprintf(`{"delta":%d,"reason":"count"}`, delta))
		if want := fmt.Sprintf(`"on_hand":%d,`, left); rec.Code != http.StatusOK || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("an adjustment by %d is answered %d %s, want %s", delta, rec.Code, rec.Body, want)
		}
	}
}

// A name that is not a SKU creates no key in Redis, no row and no lock, on any route.
func TestBounds_NamesThatAreNoSKUsReachNoServer(t *testing.T) {
	t.Parallel()
	locks := &spy{Locker: locking.NewLocal()}
	s := openShop(t, locks)
	for _, name := range []string{
		"../../etc", "a/b", "{a}", "a:b", "*", "a\x00b", "a\r\nSET x y", "é", "А-1", " ", "%", "a'b", strings.Repeat("a", 10_000),
	} {
		escaped := url.PathEscape(name)
		quoted, err := json.Marshal(name)
		if err != nil {
			t.Fatal(err)
		}
		body := fmt.Sprintf(`{"lines":[{"sku":%s,"quantity":1}]}`, quoted)
		for _, row := range []struct{ method, path, body string }{
			{http.MethodPost, "/v1/orders", body},
			{http.MethodPut, "/v1/stock/" + escaped, `{"on_hand":1}`},
			{http.MethodPost, "/v1/stock/" + escaped + "/adjustments", `{"delta":1,"reason":"restock"}`},
			{http.MethodGet, "/v1/stock/" + escaped, ""},
			{http.MethodGet, "/v1/stock/" + escaped + "/movements", ""},
			{http.MethodGet, "/v1/locks/" + escaped, ""},
		} {
			if rec := s.send(t, row.method, row.path, row.body); rec.Code != http.StatusUnprocessableEntity {
				t.Errorf("%s %.40q with %.20q is answered %d %s, want 422", row.method, row.path, name, rec.Code, rec.Body)
			}
		}
	}
	keys, err := s.redis.DBSize(t.Context()).Result()
	if err != nil || keys != 0 || locks.turns.Load() != 0 || s.count(t, "stock") != 0 {
		t.Errorf("%d keys in Redis, %v, %d locks asked for, %d rows; want none", keys, err, locks.turns.Load(), s.count(t, "stock"))
	}
}
