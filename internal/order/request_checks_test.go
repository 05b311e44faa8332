package order_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orderd/internal/locking"
)

// sendWith makes a request of the shop's handler with a body of JSON and one more header.
func (s *shop) sendWith(t *testing.T, method, path, body, header, value string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(header, value)
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	return rec
}

// Of what a client would accept, and of how it writes that it sends JSON, nothing depends: the
// framework would panic, or refuse what the fast path takes.
func TestHTTP_MediaTypesInEveryForm(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 100, "")
	held := `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":60}` // not for the fast path
	for header, values := range map[string][]string{
		"Accept":       {"application/json;,*/*", "a;q,b", "json", "text/html", ";"},
		"Content-Type": {"Application/JSON", "application/json ; charset=utf-8", `application/json; profile="a+b"`},
	} {
		for _, value := range values {
			rec := s.sendWith(t, http.MethodPost, "/v1/orders", held, header, value)
			if got := rec.Header().Get("Content-Type"); rec.Code != http.StatusCreated || got != "application/json" {
				t.Errorf("%s %q: %d %s %s, want 201 in JSON", header, value, rec.Code, got, rec.Body)
			}
			rec = s.sendWith(t, http.MethodPut, "/v1/stock/A-1", `{}`, header, value)
			if p := problemIn(t, rec); p.Code != "invalid" {
				t.Errorf("%s %q, and a field is missing: %d %s", header, value, rec.Code, rec.Body)
			}
		}
	}
}

// What asks for something that orderd does not do is refused, and not done without it.
func TestHTTP_RequestsThatAskForMoreThanThereIs(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 5, "")
	order := s.send(t, http.MethodPost, "/v1/orders", `{"lines":[{"sku":"A-1","quantity":2}]}`).Header().Get("Location")
	for name, row := range map[string]struct {
		method, path, body, header, value string
		status                            int
		place                             string
	}{
		"a level, if it is as known":  {"PUT", "/v1/stock/A-1", `{"on_hand":9}`, "If-Match", `"7"`, 422, "header.If-Match"},
		"a level, unless there is":    {"PUT", "/v1/stock/A-1", `{"on_hand":9}`, "If-None-Match", "*", 422, "header.If-None-Match"},
		"a level, once":               {"PUT", "/v1/stock/A-1", `{"on_hand":9}`, "Idempotency-Key", "k", 422, "header.Idempotency-Key"},
		"an order, if it is as known": {"POST", order + "/cancel", ``, "If-Unmodified-Since", "Tue, 01 Dec 2026 00:00:00 GMT", 422, "header.If-Unmodified-Since"},
		"a lock, if it is as known":   {"DELETE", "/v1/locks/A-1", ``, "If-Match", "*", 422, "header.If-Match"},
		"a compressed body":           {"POST", "/v1/orders", "\x1f\x8b", "Content-Encoding", "gzip", 415, "header.Content-Encoding"},
		"to cancel one line":          {"POST", order + "/cancel", `{"lines":[]}`, "X-A", "b", 422, "body.lines"},
		"to confirm what is no JSON":  {"POST", order + "/confirm", `{nonsense`, "X-A", "b", 400, "body"},
	} {
		rec := s.sendWith(t, row.method, row.path, row.body, row.header, row.value)
		p := problemIn(t, rec)
		if rec.Code != row.status || !strings.HasPrefix(p.Detail, row.place+": ") {
			t.Errorf("%s: %d %s, want %d at %s", name, rec.Code, rec.Body, row.status, row.place)
		}
	}
	if n := s.count(t, "movements"); n != 2 {
		t.Errorf("%d movements, want the stock's and the order's", n)
	}
	for _, body := range []string{"", "{}"} {
		rec := s.sendWith(t, http.MethodPost, order+"/cancel", body, "Content-Encoding", "identity")
		if rec.Code != http.StatusOK {
			t.Errorf("a cancel with the body %q: %d %s", body, rec.Code, rec.Body)
		}
	}
	if rec := s.send(t, http.MethodGet, "/v1/stock/A-1", ""); rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a level may be cached: %v", rec.Header())
	}
}
