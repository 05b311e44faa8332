package order_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
)

func TestHold_IsKept(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	const hold = `{"lines":[{"sku":"A-1","quantity":2}],"hold_seconds":3600}`
	rec := s.order(t, "", "k", hold)
	var o struct {
		ID, Status    string
		CreatedAt     time.Time `json:"created_at"`
		HoldExpiresAt time.Time `json:"hold_expires_at"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &o); err != nil || rec.Code != http.StatusCreated || o.Status != "held" ||
		o.HoldExpiresAt.Sub(o.CreatedAt) != time.Hour {
		t.Fatalf("a hold is answered %d %s, want 201, held for an hour", rec.Code, rec.Body)
	}
	if got := s.send(t, http.MethodGet, "/v1/orders/"+o.ID, ""); got.Body.String() != rec.Body.String() {
		t.Errorf("GET of the hold = %s, want %s", got.Body, rec.Body)
	}
	s.mustHave(t, "A-1", 3, 2)
	for range 2 {
		if kept := s.send(t, http.MethodPost, "/v1/orders/"+o.ID+"/confirm", ""); kept.Code != http.StatusOK ||
			statusIn(t, kept.Body.String()) != "confirmed" || strings.Contains(kept.Body.String(), "hold_expires_at") {
			t.Errorf("confirm is answered %d %s, want 200, confirmed", kept.Code, kept.Body)
		}
	}
	again := s.order(t, "", "k", hold)
	if again.Body.String() != rec.Body.String() || again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("the replay = %s, want %s", again.Body, rec.Body)
	}
	for _, other := range []string{`{"lines":[{"sku":"A-1","quantity":2}],"hold_seconds":60}`, `{"lines":[{"sku":"A-1","quantity":2}]}`} {
		if rec := s.order(t, "", "k", other); problemIn(t, rec).Code != "idempotency_mismatch" {
			t.Errorf("the key for %s is answered %d %s, want 422", other, rec.Code, rec.Body)
		}
	}
}

// A hold that was kept has no time any more.
func TestHold_IsKeptPastItsTime(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	kept := s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60}) // so that a sweep has something to do
	path := "/v1/orders/" + kept.ID.String()
	mustBe := func(method, path, status string) {
		t.Helper()
		if rec := s.send(t, method, path, ""); rec.Code != http.StatusOK || statusIn(t, rec.Body.String()) != status {
			t.Errorf("%s %s is answered %d %s, want 200, %s", method, path, rec.Code, rec.Body, status)
		}
	}
	mustBe(http.MethodPost, path+"/confirm", "confirmed")
	if _, err := s.db.Exec(t.Context(), "UPDATE orders SET hold_expires_at = now() - interval '1 second'"); err != nil {
		t.Fatal(err)
	}
	mustBe(http.MethodGet, path, "confirmed")
	if n, err := s.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("Sweep = %d, %v; want the other hold alone", n, err)
	}
	s.mustHave(t, "A-1", 4, 1)
	mustBe(http.MethodPost, path+"/confirm", "confirmed")
	mustBe(http.MethodPost, path+"/cancel", "cancelled")
	s.mustHave(t, "A-1", 5, 0)
}

// A hold expires at its time, for every reader, even before it is swept.
func TestHold_ExpiresAtItsTime(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	swept := s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	cancelled := s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	s.expire(t)
	see := func(o order.Order, left int64) {
		t.Helper()
		path := "/v1/orders/" + o.ID.String()
		if rec := s.send(t, http.MethodGet, path, ""); statusIn(t, rec.Body.String()) != "expired" {
			t.Errorf("GET = %s, want it expired", rec.Body)
		}
		rec := s.send(t, http.MethodPost, path+"/confirm", "")
		if p := problemIn(t, rec); rec.Code != http.StatusConflict || p.Code != "hold_expired" || p.Retryable {
			t.Errorf("confirm is answered %d %s, want 409 hold_expired", rec.Code, rec.Body)
		}
		s.mustHave(t, "A-1", left, 5-left)
	}
	see(swept, 3)
	// Cancelling an expired hold returns its units at once, and it remains expired.
	for range 2 {
		rec := s.send(t, http.MethodPost, "/v1/orders/"+cancelled.ID.String()+"/cancel", "")
		if rec.Code != http.StatusOK || statusIn(t, rec.Body.String()) != "expired" {
			t.Errorf("cancel is answered %d %s, want 200, expired", rec.Code, rec.Body)
		}
	}
	see(cancelled, 4)
	for _, want := range []int{1, 0} {
		if n, err := s.Sweep(t.Context()); n != want || err != nil {
			t.Errorf("Sweep = %d, %v; want %d", n, err, want)
		}
		see(swept, 5)
	}
	movements, err := s.Store.Movements(t.Context(), "A-1", 3, 10)
	if err != nil || len(movements) != 2 || movements[0].Reason != "hold_expired" || movements[1].Reason != "hold_expired" {
		t.Errorf("movements = %+v, %v; want two of expired holds", movements, err)
	}
}
