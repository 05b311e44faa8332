package order_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"orderd/internal/access"
	"orderd/internal/locking"
)

// never returns a limit that allows burst requests and, during a test, no more.
func never(burst int) access.Rate { return access.Rate{PerSecond: 1e-6, Burst: burst} }

func TestLimits_EachClientHasItsOwn(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 100, "")
	c := s.guard(t, access.NewLimits(never(3), access.Rate{}))
	place := func(key string) *httptest.ResponseRecorder {
		return s.ask(t, http.MethodPost, "/v1/orders", sampleBodies["POST /v1/orders"], "Bearer "+key)
	}
	for range 3 {
		if rec := place(c.buyer); rec.Code != http.StatusCreated {
			t.Fatalf("within the limit: %d %s, want 201", rec.Code, rec.Body)
		}
	}
	for _, rec := range []*httptest.ResponseRecorder{place(c.buyer), s.ask(t, http.MethodGet, "/v1/stock", "", "Bearer "+c.buyer)} {
		p := problemIn(t, rec)
		if rec.Code != http.StatusTooManyRequests || p.Code != "rate_limited" || !p.Retryable {
			t.Errorf("beyond it: %d %s, want 429", rec.Code, rec.Body)
		}
		if after, err := strconv.Atoi(rec.Header().Get("Retry-After")); err != nil || after < 3600 {
			t.Errorf("Retry-After %q, want the time until there is room", rec.Header().Get("Retry-After"))
		}
	}
	if rec := place(c.other); rec.Code != http.StatusCreated {
		t.Errorf("another client: %d %s, want 201", rec.Code, rec.Body)
	}
	for _, path := range []string{"/livez", "/readyz", "/openapi.json"} {
		if rec := s.ask(t, http.MethodGet, path, "", "Bearer "+c.buyer); rec.Code != http.StatusOK {
			t.Errorf("%s = %d, want it beyond the limits", path, rec.Code)
		}
	}
	if n := s.count(t, "orders"); n != 4 {
		t.Errorf("%d orders, want 4", n)
	}
}

// Requests without a valid key, which cost nothing to send, use up nothing of the clients'
// limit.
func TestLimits_AllTogetherAndNoStrangers(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	c := s.guard(t, access.NewLimits(access.Rate{}, never(2)))
	ask := func(key string) int { return s.ask(t, http.MethodGet, "/v1/stock", "", "Bearer "+key).Code }
	for range 10 {
		if code := ask("wrong"); code != http.StatusUnauthorized {
			t.Fatalf("a stranger is answered %d, want 401", code)
		}
	}
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if code := ask([]string{c.buyer, c.other, c.admin}[i]); code != want {
			t.Errorf("request %d is answered %d, want %d", i, code, want)
		}
	}
}

// Without keys a client is the address of its connection, and nothing in a request makes it
// another.
func TestLimits_WithoutKeysAnAddressIsAClient(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.open(t, access.NewLimits(never(2), access.Rate{}))
	ask := func(address string, n int) int {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/stock", http.NoBody)
		req.RemoteAddr = address
		for _, header := range []string{"X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "Authorization", "X-Client-Id"} {
			req.Header.Set(header, fmt.Sprint("for=10.0.0.", n))
		}
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		return rec.Code
	}
	let := 0
	for i := range 10 {
		if ask("192.0.2.1:"+strconv.Itoa(1000+i), i) == http.StatusOK {
			let++
		}
	}
	if let != 2 {
		t.Errorf("%d requests of one address let through, want 2", let)
	}
	if code := ask("192.0.2.2:1000", 1); code != http.StatusOK {
		t.Errorf("another address is answered %d, want 200", code)
	}
	let = 0
	for i := range 10 {
		if ask(fmt.Sprintf("[2001:db8::%x]:1000", i), i) == http.StatusOK {
			let++
		}
	}
	if let != 2 {
		t.Errorf("%d requests of one IPv6 network let through, want 2", let)
	}
}

// Whatever is requested, the number of time series does not grow.
func TestMetrics_KeepTheirSize(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	c := s.guard(t, nil)
	s.handler = s.routes // to validate 60,000 answers would take most of a minute
	send := func(n int) {
		sku := fmt.Sprintf("S-%d-%d", n, rand.Int64())
		for _, row := range []struct{ method, path, body string }{
			{http.MethodPost, "/v1/orders", `{"lines":[{"sku":"` + sku + `","quantity":1}]}`},
			{http.MethodGet, "/v1/stock/" + sku, ""},
			{http.MethodGet, "/" + sku, ""},
			{http.MethodGet, "/v1/orders?" + sku + "=1", ""},
			{sku, "/v1/orders", ""},
		} {
			s.ask(t, row.method, row.path, row.body, "Bearer "+c.buyer)
		}
		s.ask(t, http.MethodGet, "/v1/stock/"+sku, "", "Bearer "+sku)
	}
	send(0)
	before := s.series(t)
	var senders sync.WaitGroup
	for worker := range 8 {
		senders.Go(func() {
			for i := range 10_000 / 8 {
				send(worker*10_000 + i)
			}
		})
	}
	senders.Wait()
	if after := s.series(t); after != before {
		t.Errorf("%d series after 10,000 SKUs, %d after one", after, before)
	}
}

// series counts the time series of /metrics, and checks that none contains a SKU.
func (s *shop) series(t *testing.T) (n int) {
	t.Helper()
	families, err := s.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		n += len(family.Metric)
		if strings.Contains(family.String(), "S-") {
			t.Errorf("%s holds a SKU", family.GetName())
		}
	}
	return n
}

// Orders that are refused before Service.Place sees them are counted, once, by the code of
// the answer.
func TestMetrics_CountOrdersThatAreTurnedAway(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 1, "")
	for _, body := range []string{
		`{"lines":[{"sku":"A-1","quantity":0}]}`, `{"lines":[]}`, `{`,
		`{"lines":[{"sku":"A-1","quantity":1}]}`, `{"lines":[{"sku":"A-1","quantity":1}]}`,
	} {
		s.send(t, http.MethodPost, "/v1/orders", body)
	}
	s.send(t, http.MethodGet, "/v1/orders?limit=0", "") // is no order
	got := s.counted(t, "orderd_orders_total")
	for outcome, want := range map[string]float64{"invalid": 2, "malformed": 1, "confirmed": 1, "sold_out": 1, "unauthorized": 0} {
		if n, there := got[outcome]; !there || n != want {
			t.Errorf("%s: %v (%v), want %v", outcome, n, there, want)
		}
	}
}
