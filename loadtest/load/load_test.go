package load

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestClient_OutcomesAreNeverMuddled(t *testing.T) {
	t.Parallel()
	problem := func(code string) string { return fmt.Sprintf(`{"code":%q}`, code) }
	for name, row := range map[string]struct {
		status int
		body   string
		want   Outcome
	}{
		"placed":               {201, `{"id":"o1","lines":[{"remaining":4,"stock_version":7}]}`, Confirmed},
		"sold out":             {409, problem("sold_out"), SoldOut},
		"busy":                 {503, problem("busy"), Busy},
		"outcome unknown":      {503, problem("outcome_unknown"), Unknown},
		"a bug":                {500, problem("internal"), Unknown},
		"unavailable":          {503, problem("unavailable"), Failed},
		"lease lost":           {503, problem("lease_lost"), Failed},
		"invalid":              {422, problem("invalid"), Failed},
		"a balancer's own 502": {502, `<html>Bad Gateway</html>`, Unknown},
		"a balancer's own 504": {504, ``, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Server-Timing", "stock;dur=9, lock;dur=1.5")
				w.Header().Set("X-Orderd-Replica", "r2")
				w.WriteHeader(row.status)
				fmt.Fprint(w, row.body)
			}))
			defer server.Close()
			c := NewClient([]string{server.URL}, 1)
			defer c.Close()
			op := Op{Quantity: 1}
			c.Order(t.Context(), 0, "A-1", &op)
			if op.Outcome != row.want || op.Status != row.status || op.Replica != "r2" || op.LockWait != 1500*time.Microsecond {
				t.Errorf("op = %+v, want %s", op, row.want)
			}
			if row.want == Confirmed && (op.OrderID != "o1" || op.Left != 4 || op.Version != 7) {
				t.Errorf("op = %+v, want the order's id, remaining and version", op)
			}
		})
	}
}

// An API key given to the client goes with every request.
func TestClient_ShowsItsKey(t *testing.T) {
	t.Parallel()
	var shown atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer orderd_x" {
			shown.Add(1)
		}
		fmt.Fprint(w, `{"items":[]}`)
	}))
	defer server.Close()
	c := NewClient([]string{server.URL}, 1)
	defer c.Close()
	c.Authorize("orderd_x")
	c.Order(t.Context(), 0, "A-1", &Op{Quantity: 1})
	if err := c.SetStock(t.Context(), "A-1", 1, "predicate"); err != nil {
		t.Error(err)
	}
	if _, err := c.Ledger(t.Context(), "A-1", 0); err != nil || shown.Load() != 3 {
		t.Errorf("shown with %d of 3 requests, %v", shown.Load(), err)
	}
}

func TestClient_NoAnswerIsUnknown(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	c := NewClient([]string{server.URL}, 1)
	defer c.Close()
	var op Op
	c.Order(t.Context(), 0, "A-1", &op)
	if op.Outcome != Unknown || op.Error == "" || op.LockWait >= 0 {
		t.Errorf("op = %+v, want unknown, with the error and without a lock wait", op)
	}
}

func TestDrive_SendsEachOrderOnceToTheReplicasInTurn(t *testing.T) {
	t.Parallel()
	var hits [3]atomic.Int64
	var atOnce, most atomic.Int64
	targets := make([]string, len(hits))
	for i := range hits {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			now := atOnce.Add(1)
			for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
			}
			hits[i].Add(1)
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"code":"sold_out"}`)
			atOnce.Add(-1)
		}))
		t.Cleanup(server.Close)
		targets[i] = server.URL
	}
	c := NewClient(targets, 4)
	t.Cleanup(c.Close)
	var steps atomic.Int64
	ops, took := Drive{SKU: "A-1", Clients: 4, Orders: 300, Quantity: 1, Progress: func() { steps.Add(1) }}.Run(t.Context(), c)
	if len(ops) != 300 || steps.Load() != 300 || took <= 0 {
		t.Fatalf("%d orders, %d steps in %v, want 300", len(ops), steps.Load(), took)
	}
	for i, op := range ops {
		if op.Seq != i || op.Outcome != SoldOut || op.Return <= op.Call {
			t.Fatalf("op %d = %+v, want it in sequence, refused, with a return after its call", i, op)
		}
	}
	for i := range hits {
		if got := hits[i].Load(); got != 100 {
			t.Errorf("replica %d got %d orders, want 100", i, got)
		}
	}
	if got := most.Load(); got > 4 {
		t.Errorf("%d orders at once of 4 clients", got)
	}
}

func TestClient_SendsTheKeyOfAnOrderThatHasOne(t *testing.T) {
	t.Parallel()
	keys := make(chan []string, 2)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Values("Idempotency-Key")
	}))
	defer server.Close()
	c := NewClient([]string{server.URL}, 1)
	defer c.Close()
	c.Order(t.Context(), 0, "A-1", &Op{Quantity: 1, Key: "k-1"})
	c.Order(t.Context(), 0, "A-1", &Op{Quantity: 1})
	if first, second := <-keys, <-keys; len(first) != 1 || first[0] != "k-1" || len(second) != 0 {
		t.Errorf("keys %q and %q were sent, want k-1 and none", first, second)
	}
}

func TestRush_GivesEachOrderItsKeyAndTheClients(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	sent := map[string]int{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if got := r.Header.Get("Authorization"); got != "Bearer k" {
			t.Errorf("Authorization = %q, want the client's key", got)
		}
		sent[r.Header.Get("Idempotency-Key")]++
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, `{"code":"sold_out"}`)
	}))
	defer server.Close()
	orders, _, err := Generator{
		Targets: []string{strings.TrimPrefix(server.URL, "http://")}, Clients: 3, Lasts: time.Minute, Orders: 120,
		SKUs: []string{"A-1", "A-2"}, Pick: func(n int) func() int { return func() int { return n % 2 } }, APIKey: "k", FirstKey: 1,
	}.Run(t.Context())
	if err != nil || len(orders) != 120 || len(sent) != 120 {
		t.Fatalf("%d orders with %d keys, %v; want 120 of each", len(orders), len(sent), err)
	}
	for _, o := range orders {
		if o.Outcome != SoldOut || sent[o.Key] != 1 {
			t.Errorf("order %+v, whose key was sent %d times", o, sent[o.Key])
		}
	}
}
