package order_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"orderd/internal/order"
)

// The number of orders in a lane is bounded, and so is the number of requests in flight.
// When the lane is full, orders are refused at once, although those in it wait for a lock
// that somebody else holds; and those are all placed when it is free.
func TestHTTP_BusyAtOnceWhileALaneIsFull(t *testing.T) {
	t.Parallel()
	const room = 512 // as docs/operations.md says
	g := newGate(openRedisLocks(t))
	s := openGroups(t, g, 64)
	s.LockWait = time.Minute // no order is refused because its wait is over
	s.Lanes = order.NewLanes(s.Service, 64)
	s.mustSet(t, "A-1", 10_000, "")
	s.open(t, nil)
	place := func() *httptest.ResponseRecorder {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", strings.NewReader(`{"lines":[{"sku":"A-1","quantity":1}]}`))
		req.Header.Set("Content-Type", "application/json")
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		return rec
	}
	var placing sync.WaitGroup
	var mu sync.Mutex
	codes := map[int]int{}
	enter := func() {
		placing.Go(func() {
			rec := place()
			mu.Lock()
			defer mu.Unlock()
			codes[rec.Code]++
		})
	}
	enter()
	g.awaitAsked(t) // the first is a group by itself, waiting for the lock
	for i := range room {
		enter()
		await(t, "an order more waits", func() bool { return s.Lanes.Waiting() > i })
	}
	for range 3 {
		rec := place() // would hang here if it were accepted
		if p := problemIn(t, rec); rec.Code != http.StatusServiceUnavailable || p.Code != "busy" || !p.Retryable {
			t.Errorf("one too many: %d %s, want 503 busy with Retry-After", rec.Code, rec.Body)
		}
	}
	close(g.open)
	placing.Wait()
	if want := fmt.Sprint(map[int]int{http.StatusCreated: 1 + room}); fmt.Sprint(codes) != want {
		t.Errorf("those inside were answered %v, want %s", codes, want)
	}
	if item := s.mustGet(t, "A-1"); item.Sold != 1+room {
		t.Errorf("%d sold, want those inside and nobody else", item.Sold)
	}
	if rec := place(); rec.Code != http.StatusCreated {
		t.Errorf("after the crowd: %d %s", rec.Code, rec.Body)
	}
}
