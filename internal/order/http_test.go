package order_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

func problemIn(t *testing.T, rec *httptest.ResponseRecorder) order.Problem {
	t.Helper()
	if got := rec.Header().Get("Content-Type"); got != "application/problem+json" {
		t.Fatalf("Content-Type %q of %d %s, want a problem", got, rec.Code, rec.Body)
	}
	var p order.Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		t.Fatalf("problem %s: %v", rec.Body, err)
	}
	if p.Status != rec.Code || p.Title == "" || p.Code == "" {
		t.Errorf("problem %s of %d lacks its status, title or code", rec.Body, rec.Code)
	}
	if hasRetry := rec.Header().Get("Retry-After") != ""; hasRetry != p.Retryable {
		t.Errorf("Retry-After present: %v, retryable: %v; want both or neither", hasRetry, p.Retryable)
	}
	return p
}

func TestHTTP_RefusalsTellWhetherToComeAgain(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 1, "")
	s.mustSet(t, "B-1", 1, "")
	held, err := s.Locks.Acquire(t.Context(), "B-1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := held.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	order := func(sku string, quantity int) *httptest.ResponseRecorder {
		return s.send(t, http.MethodPost, "/v1/orders", fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":%d}]}`, sku, quantity))
	}
	s.LockWait = 5 * time.Second // enough for the lock service to answer that it is held
	busy := order("B-1", 1)
	s.LockWait = 20 * time.Second
	for name, row := range map[string]struct {
		rec       *httptest.ResponseRecorder
		status    int
		code      string
		sku       string
		retryable bool
	}{
		"sold out":    {order("A-1", 2), http.StatusConflict, "sold_out", "A-1", false},
		"unknown SKU": {order("NO", 1), http.StatusNotFound, "not_found", "NO", false},
		"busy":        {busy, http.StatusServiceUnavailable, "busy", "", true},
	} {
		// problemIn checks that Retry-After comes with retryable problems, and with no others.
		p := problemIn(t, row.rec)
		if row.rec.Code != row.status || p.Code != row.code || p.SKU != row.sku || p.Retryable != row.retryable {
			t.Errorf("%s is answered %d %s, want %d %s", name, row.rec.Code, row.rec.Body, row.status, row.code)
		}
		if p.Code == "sold_out" && (*p.Requested != 2 || *p.Remaining != 1) {
			t.Errorf("sold out with %s, want 2 requested and 1 remaining", row.rec.Body)
		}
		if row.rec.Header().Get("X-Orderd-Replica") != "r1" {
			t.Errorf("%s is answered without the replica's name", name)
		}
	}
	placed := order("A-1", 1)
	var body struct{ ID string }
	if err := json.Unmarshal(placed.Body.Bytes(), &body); err != nil || placed.Code != http.StatusCreated ||
		placed.Header().Get("Location") != "/v1/orders/"+body.ID || !strings.Contains(placed.Header().Get("Server-Timing"), "lock;dur=") {
		t.Errorf("an order is answered %d %v %s, want 201 with its place and its timing", placed.Code, placed.Header(), placed.Body)
	}
	if rec := s.send(t, http.MethodGet, placed.Header().Get("Location"), ""); rec.Body.String() != placed.Body.String() {
		t.Errorf("GET of the order = %s, want %s", rec.Body, placed.Body)
	}
}

func TestHTTP_RoutesThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	rec := s.send(t, http.MethodGet, "/v2/orders", "")
	if p := problemIn(t, rec); rec.Code != http.StatusNotFound || p.Code != "not_found" {
		t.Errorf("unknown route is answered %d %s", rec.Code, rec.Body)
	}
	for request, allow := range map[string]string{
		"DELETE /v1/orders": "GET, HEAD, POST", "PATCH /v1/stock/A%2F1": "GET, HEAD, PUT", "DELETE /v1/orders/x%2Fy": "GET, HEAD",
		"GET /v1/orders/x/cancel": "POST", "FOO /nope": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		status := http.StatusMethodNotAllowed
		if allow == "" {
			status = http.StatusNotFound
		}
		rec := s.send(t, method, path, "")
		problemIn(t, rec)
		if got := rec.Header().Get("Allow"); rec.Code != status || got != allow {
			t.Errorf("%s is answered %d, Allow %q; want %d, %q", request, rec.Code, got, status, allow)
		}
	}
}

// A body may have thousands of wrong fields; the answer does not.
func TestHTTP_ProblemsAreBounded(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	for name, body := range map[string]string{
		"wrong lines": `{"lines":[` + strings.Repeat(`{"a":1},`, 1900) + `{"a":1}]}`,
		"a long name": `{"` + strings.Repeat("y", 15_000) + `":1}`,
		"deep":        strings.Repeat("[", 15_000),
	} {
		rec := s.send(t, http.MethodPost, "/v1/orders", body)
		problemIn(t, rec)
		if n := rec.Body.Len(); n > 8<<10 {
			t.Errorf("%s: a body of %d bytes is answered by %d", name, len(body), n)
		}
	}
}

func TestHTTP_DocsNeedNoNetwork(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	rec := s.send(t, http.MethodGet, "/docs/", "")
	if rec.Code != http.StatusOK {
		t.Errorf("/docs/ is answered %d", rec.Code)
	}
	for _, loaded := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(rec.Body.String(), -1) {
		if !strings.HasPrefix(loaded[1], "/docs/") {
			t.Errorf("/docs/ loads %s", loaded[1])
			continue
		}
		if rec := s.send(t, http.MethodGet, loaded[1], ""); rec.Code != http.StatusOK {
			t.Errorf("%s is answered %d", loaded[1], rec.Code)
		}
	}
	rec = s.send(t, http.MethodGet, "/openapi.json", "")
	var document struct {
		OpenAPI string                     `json:"openapi"`
		Paths   map[string]json.RawMessage `json:"paths"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &document); err != nil || !strings.HasPrefix(document.OpenAPI, "3.1") {
		t.Fatalf("/openapi.json = %d, version %q, %v; want 3.1", rec.Code, document.OpenAPI, err)
	}
	for _, name := range []string{`"Idempotency-Key"`, `"Idempotent-Replayed"`, `"hold_seconds"`, `"hold_expires_at"`} {
		if !strings.Contains(rec.Body.String(), name) {
			t.Errorf("/openapi.json lacks %s", name)
		}
	}
	for _, path := range []string{"/v1/orders", "/v1/orders/{id}", "/v1/orders/{id}/cancel", "/v1/orders/{id}/confirm", "/v1/stock", "/v1/stock/{sku}", "/v1/stock/{sku}/adjustments", "/v1/stock/{sku}/movements"} {
		if _, ok := document.Paths[path]; !ok {
			t.Errorf("/openapi.json lacks %s", path)
		}
	}
}

// timedRecorder records the read deadlines that are set on the connection.
type timedRecorder struct {
	*httptest.ResponseRecorder
	deadlines []time.Time
}

func (r *timedRecorder) SetReadDeadline(at time.Time) error {
	r.deadlines = append(r.deadlines, at)
	return nil
}

// While an order waits, the server reads from the connection, to notice a client that
// disconnects. A deadline for the body, which has arrived, would end that read, and with it
// the request and all that follow on the connection.
func TestHTTP_AnOrderWhoseBodyIsThereHasNoTimeToArrive(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewLocal())
	s.mustSet(t, "A-1", 10, stock.GuardPredicate)
	for body, status := range map[string]int{
		`{"lines":[{"sku":"A-1","quantity":1}]}`:                   http.StatusCreated,
		`{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":60}`: http.StatusCreated,
		`{"lines":[{"sku":"A-1","quantity":0}]}`:                   http.StatusUnprocessableEntity,
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		rec := &timedRecorder{ResponseRecorder: httptest.NewRecorder()}
		s.routes.ServeHTTP(rec, req) // not s.handler, which accepts only a plain ResponseRecorder
		if rec.Code != status || len(rec.deadlines) > 0 {
			t.Errorf("%s: %d, %d deadlines; want %d and none", body, rec.Code, len(rec.deadlines), status)
		}
	}
	rec := &timedRecorder{ResponseRecorder: httptest.NewRecorder()} // nor has one that needs no body
	s.routes.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders/"+uuid.NewString()+"/cancel", http.NoBody))
	if rec.Code != http.StatusNotFound || len(rec.deadlines) > 0 {
		t.Errorf("a cancel: %d, %d deadlines; want 404 and none", rec.Code, len(rec.deadlines))
	}
}
