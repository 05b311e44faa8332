package order_test

import (
	"context"
	"errors"
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
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

const buyOne = `{"lines":[{"sku":"A-1","quantity":1}]}`

// order sends an order with a key, as a client.
func (s *shop) order(t *testing.T, client, key, body string) *httptest.ResponseRecorder {
	t.Helper()
	return s.post(t, client, key, "/v1/orders", body)
}

// post is a client's request with a key, if that is not empty.
func (s *shop) post(t *testing.T, client, key, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := access.WithClient(context.Background(), client)
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return rec
}

// as makes a request without a body as a client.
func (s *shop) as(t *testing.T, client, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	ctx := access.WithClient(context.Background(), client)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, httptest.NewRequestWithContext(ctx, method, path, http.NoBody))
	return rec
}

// openTwo opens two shops on the same servers, as two replicas are.
func openTwo(t *testing.T) (first, second *shop) {
	t.Helper()
	url, redis, locks := stacktest.MigratedPostgres(t), stacktest.Redis(t), stacktest.Redis(t)
	open := func() *shop { return openShopOn(t, url, redis, order.OpenRedisLocks(t, locks, 10*time.Second)) }
	return open(), open()
}

func TestKey_ReplaysWhatWasAnswered(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 3, "")
	s.mustSet(t, "a", 9, "")
	const cart = `{"lines":[{"sku":"a","quantity":2},{"sku":"A-1","quantity":1},{"sku":"A-1","quantity":1}]}`
	first := s.order(t, "", "k-1", cart)
	if first.Code != http.StatusCreated || first.Header().Get("Idempotent-Replayed") != "" {
		t.Fatalf("the order is answered %d %v %s, want 201", first.Code, first.Header(), first.Body)
	}
	if rec := s.order(t, "", "k-2", buyOne); rec.Code != http.StatusCreated {
		t.Fatalf("the last unit is answered %d %s", rec.Code, rec.Body)
	}
	// It is sold out by now, and remembered as such: a replay is answered all the same.
	for range 2 {
		if rec := s.order(t, "", "k-3", buyOne); problemIn(t, rec).Code != "sold_out" {
			t.Fatalf("one too many is answered %d %s", rec.Code, rec.Body)
		}
	}
	for key, body := range map[string]string{
		"k-1":   cart,
		`"k-1"`: `{"lines":[{"sku":"A-1","quantity":2},{"sku":"a","quantity":2}]}`, // the same order, written differently
	} {
		again := s.order(t, "", key, body)
		if again.Code != first.Code || again.Body.String() != first.Body.String() ||
			again.Header().Get("Location") != first.Header().Get("Location") || again.Header().Get("Idempotent-Replayed") != "true" {
			t.Errorf("key %s again is answered %d %v %s, want %s replayed", key, again.Code, again.Header(), again.Body, first.Body)
		}
	}
	other := s.order(t, "", "k-1", buyOne)
	if p := problemIn(t, other); other.Code != http.StatusUnprocessableEntity || p.Code != "idempotency_mismatch" || p.Retryable {
		t.Errorf("the key for another order is answered %d %s, want 422", other.Code, other.Body)
	}
	// Refusals are not kept.
	if _, _, err := s.Store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: 5, Reason: "restock"}); err != nil {
		t.Fatal(err)
	}
	s.Shortages.Invalidate(s.mustGet(t, "A-1").Level)
	if rec := s.order(t, "", "k-3", buyOne); rec.Code != http.StatusCreated || rec.Header().Get("Idempotent-Replayed") != "" {
		t.Errorf("a refused order after a restock is answered %d %s, want it placed", rec.Code, rec.Body)
	}
	if n := s.count(t, "orders"); n != 3 {
		t.Errorf("%d orders, want 3", n)
	}
}

func TestKey_IsTheClientsOwn(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	places := map[string]bool{}
	for _, client := range []string{"ann", "bob", ""} {
		rec := s.order(t, client, "k", buyOne)
		if rec.Code != http.StatusCreated || rec.Header().Get("Idempotent-Replayed") != "" {
			t.Errorf("%q's key is answered %d %s, want an order of its own", client, rec.Code, rec.Body)
		}
		places[rec.Header().Get("Location")] = true
	}
	if len(places) != 3 {
		t.Errorf("orders %v, want 3", places)
	}
	for path := range places {
		if rec := s.as(t, "eve", http.MethodGet, path); rec.Code != http.StatusNotFound {
			t.Errorf("another client reads %s: %d %s, want 404", path, rec.Code, rec.Body)
		}
	}
}

func TestKey_BadOnesNameTheHeader(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	for _, key := range []string{strings.Repeat("k", 129), `"half`, "two words", "tab\there", "ümlaut", `""`} {
		rec := s.order(t, "", key, buyOne)
		p := problemIn(t, rec)
		if rec.Code != http.StatusUnprocessableEntity || p.Code != "invalid" || len(p.Errors) != 1 || p.Errors[0].Location != "header.Idempotency-Key" {
			t.Errorf("key %q is answered %d %s, want 422 that names the header", key, rec.Code, rec.Body)
		}
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", strings.NewReader(buyOne))
	req.Header = http.Header{"Content-Type": {"application/json"}, "Idempotency-Key": {"a", "b"}}
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	if p := problemIn(t, rec); rec.Code != http.StatusUnprocessableEntity || p.Errors[0].Location != "header.Idempotency-Key" {
		t.Errorf("two keys are answered %d %s, want 422 that names the header", rec.Code, rec.Body)
	}
	if n := s.count(t, "orders"); n != 0 {
		t.Errorf("%d orders, want none", n)
	}
}

// inGroups makes shops place orders in groups, or not.
func inGroups(t *testing.T, groups bool, shops ...*shop) {
	t.Helper()
	for _, s := range shops {
		if groups {
			s.Lanes = order.NewLanes(s.Service, 64)
			t.Cleanup(s.Lanes.Close)
		}
	}
}

// Fifty concurrent requests with one key at two replicas: one order, and no answer says
// otherwise.
func TestKey_ManyAtOnce(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := openTwo(t)
			inGroups(t, groups, first, second)
			manyAtOnce(t, first, second)
		})
	}
}

func manyAtOnce(t *testing.T, first, second *shop) {
	t.Helper()
	first.mustSet(t, "A-1", 50, "")
	r := order.Request{Key: "k", Lines: one("A-1")}
	placed := make([]order.Order, 50)
	errs := make([]error, len(placed))
	var asking sync.WaitGroup
	for i := range placed {
		asking.Go(func() {
			placed[i], errs[i] = []*shop{first, second}[i%2].Service.Place(context.Background(), r)
		})
	}
	asking.Wait()
	fresh := 0
	for i, err := range errs {
		switch {
		case err == nil && !placed[i].Replayed:
			fresh++
		case err != nil && !errors.Is(err, order.ErrInFlight):
			t.Errorf("%d: %v, want placed, replayed or in flight", i, err)
		}
	}
	last, err := second.Service.Place(t.Context(), r)
	if err != nil || !last.Replayed || fresh != 1 || first.count(t, "orders") != 1 || first.mustGet(t, "A-1").OnHand != 49 {
		t.Errorf("%d placed, then %+v, %v; %d orders; want one", fresh, last, err, first.count(t, "orders"))
	}
	for i, o := range placed {
		if errs[i] == nil && o.ID != last.ID {
			t.Errorf("%d was told of order %s, the last of %s", i, o.ID, last.ID)
		}
	}
}

// While this replica waits for its lease another one places the same key's order, and takes
// the last unit. The answer here is that order, and not that it is sold out.
func TestKey_PlacedElsewhereMeanwhile(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		left   int64
		groups bool
	}{
		"the last unit":             {1, false},
		"one of many":               {5, false},
		"the last unit, in a group": {1, true},
		"one of many, in a group":   {5, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, here := openTwo(t)
			inGroups(t, row.groups, here)
			there := openShopOn(t, here.db.Config().ConnString(), stacktest.Redis(t), locking.NewNone())
			here.mustSet(t, "A-1", row.left, "")
			g := newGate(here.Locks)
			here.Locks = g
			r := order.Request{Key: "k", Lines: one("A-1")}
			type told struct {
				order.Order
				err error
			}
			waiting := make(chan told, 1)
			go func() {
				o, err := here.Service.Place(context.Background(), r)
				waiting <- told{o, err}
			}()
			g.awaitAsked(t)
			if _, err := here.Service.Place(t.Context(), r); !errors.Is(err, order.ErrInFlight) {
				t.Errorf("the key again while its order waits: %v, want ErrInFlight", err)
			}
			placed, err := there.Service.Place(t.Context(), r)
			if err != nil || placed.Replayed {
				t.Fatalf("Place elsewhere = %+v, %v", placed, err)
			}
			close(g.open)
			if o := <-waiting; o.err != nil || !o.Replayed || o.ID != placed.ID || o.Lines[0] != placed.Lines[0] {
				t.Errorf("Place = %+v, want %+v replayed", o, placed)
			}
			if item := here.mustGet(t, "A-1"); item.Sold != 1 {
				t.Errorf("%d sold, want 1", item.Sold)
			}
		})
	}
}

func TestKey_UnknownSKUAndSoldOutAreNotKept(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	r := order.Request{Key: "k", Lines: one("A-1")}
	if _, err := s.Service.Place(t.Context(), r); !errors.Is(err, stock.ErrUnknownSKU) {
		t.Errorf("Place = %v, want ErrUnknownSKU", err)
	}
	s.mustSet(t, "A-1", 0, "")
	if _, err := s.Service.Place(t.Context(), r); !errors.Is(err, stock.ErrShort) {
		t.Errorf("Place = %v, want ErrShort", err)
	}
	s.mustSet(t, "A-1", 2, "")
	s.Shortages.Invalidate(s.mustGet(t, "A-1").Level)
	if o, err := s.Service.Place(t.Context(), r); err != nil || o.Replayed {
		t.Errorf("Place = %+v, %v; want it placed", o, err)
	}
}

// A dark locker fails once out is set.
type dark struct {
	locking.Locker
	out atomic.Bool
}

func (d *dark) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	if d.out.Load() {
		return nil, locking.ErrUnavailable
	}
	return d.Locker.Acquire(ctx, keys...)
}

// An order that was placed is replayed even if everything but Postgres is down; a new one
// is not placed.
func TestKey_ReplaysWithoutTheLockService(t *testing.T) {
	t.Parallel()
	locks := &dark{Locker: locking.NewLocal()}
	s := openGroups(t, locks, 64)
	s.mustSet(t, "A-1", 10, stock.GuardPredicate)
	first := order.Request{Key: "k-1", Lines: one("A-1")}
	placed, err := s.Service.Place(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	locks.out.Store(true)
	for range 2 { // when no repeats are expected, and when they are
		again, err := s.Service.Place(t.Context(), first)
		if err != nil || !again.Replayed || again.ID != placed.ID {
			t.Errorf("the same key = %+v, %v; want order %s replayed", again, err, placed.ID)
		}
	}
	if o, err := s.Service.Place(t.Context(), order.Request{Key: "k-2", Lines: one("A-1")}); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("another key = %+v, %v; want ErrUnavailable", o, err)
	}
}
