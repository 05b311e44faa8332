package order_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
)

// A page of another site can have a browser send requests without a body, and no more.
func TestHTTP_OtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	o := s.mustPlace(t, order.Request{Lines: one("A-1")})
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://other.example"} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders/"+o.ID.String()+"/cancel", http.NoBody)
		req.Header.Set(header, value)
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusUnsupportedMediaType {
			t.Errorf("with %s: %s a cancel is answered %d %s, want 415", header, value, rec.Code, rec.Body)
		}
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 4 {
		t.Errorf("%d on hand, want 4: nothing was cancelled", item.OnHand)
	}
	if rec := s.send(t, http.MethodGet, "/v1/stock", ""); rec.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v, want nosniff among them", rec.Header())
	}
}

// The path that most orders take knows no parameters either.
func TestHTTP_AnOrderWithAQueryIsRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	if rec := s.send(t, http.MethodPost, "/v1/orders?dry_run=true", buyOne); rec.Code != http.StatusUnprocessableEntity {
		t.Errorf("an order with an unknown parameter is answered %d %s, want 422", rec.Code, rec.Body)
	}
	if item := s.mustGet(t, "A-1"); item.OnHand != 5 {
		t.Errorf("%d on hand, want 5", item.OnHand)
	}
}

// Without the operator's leave a SKU is sold under the guard predicate, and none of the reasons
// by which orderd tells its own movements can be given by hand.
func TestHTTP_UnguardedSKUsAndReservedReasonsAreRefused(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	for _, guard := range []string{"fence", "claim", "none"} {
		if rec := s.send(t, http.MethodPut, "/v1/stock/A-"+guard, fmt.Sprintf(`{"on_hand":1,"guard":%q}`, guard)); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("guard %s is answered %d, want 422", guard, rec.Code)
		}
	}
	s.mustSet(t, "A-1", 5, "")
	for _, reason := range []string{"created", "set", "sale", "cancel", "hold_expired"} {
		if rec := s.send(t, http.MethodPost, "/v1/stock/A-1/adjustments", fmt.Sprintf(`{"delta":1,"reason":%q}`, reason)); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("reason %s is answered %d, want 422", reason, rec.Code)
		}
	}
}

type panicsWhenInspected struct{ locking.Locker }

func (panicsWhenInspected) Inspect(context.Context, string) (locking.Status, error) {
	panic("for the test")
}

func TestHTTP_APanicIsAnswered(t *testing.T) {
	t.Parallel()
	s := openShop(t, panicsWhenInspected{locking.NewNone()})
	rec := s.send(t, http.MethodGet, "/v1/locks/A-1", "")
	if p := problemIn(t, rec); rec.Code != http.StatusInternalServerError || p.Code != "internal" || p.Retryable || strings.Contains(rec.Body.String(), "for the test") {
		t.Errorf("answered %d %s, want 500 internal, without the reason", rec.Code, rec.Body)
	}
}

// All requests together have a limit, also where no lane has one of its own.
func TestHTTP_RequestsInFlightAreBounded(t *testing.T) {
	t.Parallel()
	g := newGate(lostLocks{}) // nobody is placed, which would take its time
	locks := &spy{Locker: g}
	s := openShop(t, locks)
	s.LockWait = time.Minute
	s.mustSet(t, "A-1", 1, "")
	const most = 640 // see docs/operations.md
	var inside sync.WaitGroup
	for range most {
		inside.Go(func() {
			rec := s.send(t, http.MethodPost, "/v1/orders", buyOne)
			if !strings.Contains(rec.Body.String(), `"code":"unavailable"`) {
				t.Errorf("one that was let in is answered %d %s, want that the lock service is lost", rec.Code, rec.Body)
			}
		})
	}
	await(t, "all to be inside", func() bool { return locks.turns.Load() == most })
	refused := make(chan *httptest.ResponseRecorder, 1)
	go func() { refused <- s.send(t, http.MethodPost, "/v1/orders", buyOne) }()
	await(t, "one more to be refused or let in", func() bool { return len(refused) == 1 || locks.turns.Load() > most })
	close(g.open)
	rec := <-refused
	if p := problemIn(t, rec); p.Code != "busy" {
		t.Errorf("one more is answered %d %s, want busy", rec.Code, rec.Body)
	}
	inside.Wait()
}
