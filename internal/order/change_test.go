package order_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"orderd/internal/locking"
	"orderd/internal/order"
)

func (s *shop) mustPlace(t *testing.T, r order.Request) order.Order {
	t.Helper()
	o, err := s.Service.Place(t.Context(), r)
	if err != nil {
		t.Fatalf("Place(%+v) = %v", r, err)
	}
	return o
}

// expire moves the end of holds into the past: of all, or of those with the ids.
func (s *shop) expire(t *testing.T, ids ...uuid.UUID) {
	t.Helper()
	_, err := s.db.Exec(t.Context(), `UPDATE orders SET hold_expires_at = now() - interval '1 second'
		WHERE status = 'held' AND (id = ANY ($1) OR $1 IS NULL)`, ids)
	if err != nil {
		t.Fatal(err)
	}
}

// mustHave checks a SKU's row, its copy in Redis, and that its ledger adds up.
func (s *shop) mustHave(t *testing.T, sku string, onHand, sold int64) {
	t.Helper()
	item := s.mustGet(t, sku)
	if item.OnHand != onHand || item.Sold != sold {
		t.Errorf("%s: %d on hand and %d sold, want %d and %d", sku, item.OnHand, item.Sold, onHand, sold)
	}
	levels, err := s.Cache.Levels(t.Context(), []string{sku})
	if err != nil || levels[sku] != item.Level {
		t.Errorf("%s in Redis: %+v, %v; want %+v", sku, levels[sku], err, item.Level)
	}
	movements, err := s.Store.Movements(t.Context(), sku, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for i, m := range movements {
		if sum += m.Delta; m.OnHand != sum || m.Version != int64(i)+1 {
			t.Errorf("%s: movement %d is %+v, want level %d", sku, i+1, m, sum)
			return
		}
	}
	if sum != item.OnHand || int64(len(movements)) != item.Version {
		t.Errorf("%s: %d movements of %d in all, want %d of %d", sku, len(movements), sum, item.Version, item.OnHand)
	}
}

func statusIn(t *testing.T, body string) string {
	t.Helper()
	var o struct{ Status string }
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return o.Status
}

func TestChange_OrdersThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	o := s.mustPlace(t, order.Request{Client: "ann", HoldSeconds: 60, Lines: one("A-1")})
	for _, verb := range []string{"cancel", "confirm"} {
		for name, path := range map[string]string{"unknown": uuid.NewString(), "another client's": o.ID.String()} {
			rec := s.send(t, http.MethodPost, "/v1/orders/"+path+"/"+verb, "")
			if p := problemIn(t, rec); rec.Code != http.StatusNotFound || p.Code != "not_found" {
				t.Errorf("%s of an order that is %s: %d %s, want 404", verb, name, rec.Code, rec.Body)
			}
		}
		if rec := s.send(t, http.MethodPost, "/v1/orders/1/"+verb, ""); rec.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s of no id: %d %s, want 422", verb, rec.Code, rec.Body)
		}
	}
	if got, err := s.Ledger.Get(t.Context(), "ann", o.ID); err != nil || got.Status != order.StatusHeld {
		t.Errorf("the order is %+v, %v; want it as it was", got, err)
	}
}

// Concurrent confirms, cancels and sweeps, at two replicas: an order ends in one way and
// its units are returned at most once.
func TestChange_ManyAtOnce(t *testing.T) {
	t.Parallel()
	first, second := openTwo(t)
	const orders, each = 30, 4
	first.mustSet(t, "A-1", orders, "")
	first.mustSet(t, "B-1", orders, "")
	var changing sync.WaitGroup
	for i := range orders {
		r := order.Request{Lines: []order.Line{{"A-1", 1}, {"B-1", 1}}, HoldSeconds: int64(i % 2 * 60)}
		o := first.mustPlace(t, r)
		if i%4 == 1 {
			first.expire(t, o.ID)
		}
		for j := range each {
			s := []*shop{first, second}[j%2]
			changing.Go(func() {
				if _, err := s.Cancel(context.Background(), "", o.ID); err != nil {
					t.Errorf("Cancel = %v", err)
				}
			})
			changing.Go(func() {
				if _, err := s.Sweep(context.Background()); err != nil {
					t.Errorf("Sweep = %v", err)
				}
			})
			changing.Go(func() {
				_, err := s.Confirm(context.Background(), "", o.ID)
				if err != nil && !errors.Is(err, order.ErrNotHeld) && !errors.Is(err, order.ErrHoldExpired) {
					t.Errorf("Confirm = %v", err)
				}
			})
		}
	}
	changing.Wait()
	for _, sku := range []string{"A-1", "B-1"} {
		first.mustHave(t, sku, orders, 0)
	}
	placed, err := first.Ledger.List(t.Context(), "", uuid.Nil, orders)
	if err != nil || len(placed) != orders {
		t.Fatalf("List = %d orders, %v", len(placed), err)
	}
	for i, o := range placed {
		want := order.StatusCancelled
		if (orders-1-i)%4 == 1 {
			want = order.StatusExpired
		}
		if o.Status != want {
			t.Errorf("order %d is %s, want %s", orders-1-i, o.Status, want)
		}
	}
}

// Sales, cancels and sweeps of orders that share SKUs conflict all the time, and none fails
// because of it.
func TestChange_AmidSales(t *testing.T) {
	t.Parallel()
	for name, groups := range map[string]bool{"one by one": false, "in groups": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, second := openTwo(t)
			for _, s := range []*shop{first, second} {
				s.LockWait = 20 * time.Second // also that of the lanes, which are made next
				if !groups {
					s.Locks = locking.NewNone() // only the row locks keep them apart
				}
			}
			inGroups(t, groups, first, second)
			amidSales(t, first, second)
		})
	}
}

func amidSales(t *testing.T, first, second *shop) {
	t.Helper()
	const buyers, each = 8, 15
	skus := []string{"a", "B", "c"}
	for _, sku := range skus {
		first.mustSet(t, sku, 1000, "")
	}
	var buying sync.WaitGroup
	for i := range buyers {
		s := []*shop{first, second}[i%2]
		buying.Go(func() {
			for j := range each {
				r := order.Request{Lines: []order.Line{{skus[(i+j)%3], 1}, {skus[(i+j+1)%3], 2}}, HoldSeconds: int64(j % 2)}
				o, err := s.Service.Place(context.Background(), r)
				if err != nil {
					t.Errorf("Place = %v", err)
					return
				}
				if _, err := s.Cancel(context.Background(), "", o.ID); err != nil {
					t.Errorf("Cancel = %v", err)
				}
				if _, err := s.Sweep(context.Background()); err != nil {
					t.Errorf("Sweep = %v", err)
				}
			}
		})
	}
	buying.Wait()
	for _, s := range []*shop{first, second} {
		if s.Lanes != nil {
			s.Lanes.Close() // waits for their write-backs to Redis
		}
	}
	for _, sku := range skus {
		first.mustHave(t, sku, 1000, 0)
	}
}

// counted returns the values of a counter with one label, by the label's value.
func (s *shop) counted(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				values[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
			}
		}
	}
	return values
}
