package order_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
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

func TestCancel_ReturnsTheUnitsOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	s.mustSet(t, "b", 5, "")
	o := s.mustPlace(t, order.Request{Key: "k", Lines: []order.Line{{"A-1", 2}, {"b", 5}}})
	path := "/v1/orders/" + o.ID.String()
	placed := s.send(t, http.MethodGet, path, "")
	// b is remembered as sold out, until the cancel.
	if _, err := s.Place(t.Context(), one("b")); !errors.Is(err, stock.ErrShort) {
		t.Fatalf("Place = %v, want ErrShort", err)
	}
	want := strings.Replace(placed.Body.String(), `"confirmed"`, `"cancelled"`, 1)
	for range 3 {
		rec := s.send(t, http.MethodPost, path+"/cancel", "")
		if rec.Code != http.StatusOK || rec.Body.String() != want {
			t.Errorf("cancel is answered %d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	if rec := s.send(t, http.MethodGet, path, ""); rec.Body.String() != want {
		t.Errorf("GET of the cancelled order = %s, want %s", rec.Body, want)
	}
	s.mustHave(t, "A-1", 5, 0)
	s.mustHave(t, "b", 5, 0)
	movements, err := s.Store.Movements(t.Context(), "b", 2, 10)
	if err != nil || len(movements) != 1 || movements[0].Reason != "cancel" || movements[0].OrderID != o.ID.String() {
		t.Errorf("movements = %+v, %v; want one of the cancel", movements, err)
	}
	if rec := s.send(t, http.MethodPost, path+"/confirm", ""); rec.Code != http.StatusConflict || problemIn(t, rec).Code != "not_held" {
		t.Errorf("confirm of a cancelled order is answered %d %s, want 409", rec.Code, rec.Body)
	}
	// A retry with its key gets the first answer.
	again := s.mustPlace(t, order.Request{Key: "k", Lines: []order.Line{{"A-1", 2}, {"b", 5}}})
	if again.ID != o.ID || !again.Replayed || again.Status != order.StatusConfirmed {
		t.Errorf("replay of a cancelled order = %+v, want it confirmed", again)
	}
	if _, err := s.Place(t.Context(), []order.Line{{"b", 5}}); err != nil {
		t.Errorf("the units that came back: %v", err)
	}
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

// A cancel takes no lease: the holder of one keeps it, whatever the guard.
func TestCancel_LeavesTheTurnToItsHolder(t *testing.T) {
	t.Parallel()
	for _, guard := range []stock.Guard{stock.GuardPredicate, stock.GuardFence, stock.GuardClaim, stock.GuardNone} {
		t.Run(string(guard), func(t *testing.T) {
			t.Parallel()
			s := openShop(t, openRedisLocks(t))
			s.mustSet(t, "A-1", 5, guard)
			o := s.mustPlace(t, order.Request{Lines: []order.Line{{"A-1", 4}}})
			s.Work = time.Second // between the check and the write, which is when the cancel comes
			placed := make(chan error, 1)
			go func() {
				_, err := s.Place(context.Background(), one("A-1"))
				placed <- err
			}()
			inspector := s.Locks.(locking.Inspector)
			for deadline := time.Now().Add(10 * time.Second); ; {
				status, err := inspector.Inspect(t.Context(), "A-1")
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("nobody has the turn: %v", err)
				}
				if status.Owner != "" {
					break
				}
			}
			if _, err := s.Cancel(t.Context(), "", o.ID); err != nil {
				t.Errorf("Cancel = %v", err)
			}
			if err := <-placed; err != nil {
				t.Errorf("Place of the holder = %v", err)
			}
			s.mustHave(t, "A-1", 4, 1)
		})
	}
}

// More holds than one sweep takes, some with two lines, at two replicas.
func TestSweep_ManyAtOnce(t *testing.T) {
	t.Parallel()
	first, second := openTwo(t)
	const holds = 230
	first.mustSet(t, "A-1", holds, "")
	first.mustSet(t, "b", holds, "")
	for i := range holds {
		lines := []order.Line{{"A-1", 1}, {"b", 1}}
		first.mustPlace(t, order.Request{Lines: lines[:1+i%2], HoldSeconds: 60})
	}
	first.expire(t)
	var sweeping sync.WaitGroup
	swept := make([]int, 6)
	for i := range swept {
		sweeping.Go(func() {
			var err error
			if swept[i], err = []*shop{first, second}[i%2].Sweep(context.Background()); err != nil {
				t.Errorf("Sweep = %v", err)
			}
		})
	}
	sweeping.Wait()
	sum := 0
	for _, n := range swept {
		sum += n
	}
	if sum != holds {
		t.Errorf("%v swept, want %d in all", swept, holds)
	}
	first.mustHave(t, "A-1", holds, 0)
	first.mustHave(t, "b", holds, 0)
	var returns int
	err := first.db.QueryRow(t.Context(), "SELECT count(*) FROM movements WHERE reason = 'hold_expired'").Scan(&returns)
	if err != nil || returns != holds*3/2 {
		t.Errorf("%d returns, %v; want %d", returns, err, holds*3/2)
	}
}

func TestSweepHolds_EndsWithItsContext(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	s.mustPlace(t, order.Request{Lines: one("A-1"), HoldSeconds: 60})
	s.expire(t)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		s.SweepHolds(ctx)
		close(ended)
	}()
	for deadline := time.Now().Add(10 * time.Second); s.mustGet(t, "A-1").OnHand != 5; {
		if time.Now().After(deadline) {
			t.Fatal("the hold is not swept")
		}
	}
	end()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the sweeper goes on")
	}
	if got := fmt.Sprint(s.counted(t, "orderd_order_changes_total")); got != "map[cancelled:0 confirmed:0 expired:1]" {
		t.Errorf("changes counted: %s, want one expired", got)
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
