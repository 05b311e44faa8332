package order_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"orderd/internal/locking"
)

// A request keeps the id of its sender, if that can be logged. A request without one gets
// an id if it fails.
func TestRequestID_IsTheSendersOrMade(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	s.mustSet(t, "A-1", 100, "")
	made := regexp.MustCompile(`^[0-9a-f]{16}$`)
	ask := func(path string, ids ...string) (int, string) {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
		req.Header["X-Request-Id"] = ids
		rec := httptest.NewRecorder()
		s.handler.ServeHTTP(rec, req)
		return rec.Code, strings.Join(rec.Header()["X-Request-Id"], "|")
	}
	for _, id := range []string{"a", "shop/42", strings.Repeat("x", 128), `{"a":1}`} {
		for _, path := range []string{"/v1/stock/A-1", "/v1/stock/nobody", "/nowhere"} {
			if status, got := ask(path, id); got != id {
				t.Errorf("%s with the id %q is answered %d with %q", path, id, status, got)
			}
		}
	}
	for _, ids := range [][]string{nil, {""}, {"a b"}, {"a\nb"}, {"ä"}, {strings.Repeat("x", 129)}, {"a", "b"}} {
		if status, got := ask("/v1/stock/A-1", ids...); status != http.StatusOK || got != "" {
			t.Errorf("a request with the ids %q is answered %d with %q, want none: it went well", ids, status, got)
		}
		if status, got := ask("/v1/stock/nobody", ids...); status != http.StatusNotFound || !made.MatchString(got) {
			t.Errorf("a request with the ids %q is answered %d with %q, want one of its own", ids, status, got)
		}
	}
	_, one := ask("/nowhere")
	if _, other := ask("/nowhere"); one == other {
		t.Errorf("two requests are both called %q", one)
	}
}

// The id in the answer is the one in the log.
func TestRequestID_IsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := openShop(t, locking.NewNone())
	s.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.open(t, nil)
	for _, path := range []string{"/livez", "/v1/stock", "/v1/stock/nobody"} {
		log.Reset()
		rec := s.send(t, http.MethodGet, path, "")
		line := map[string]any{}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("%s is logged as %q: %v", path, log.String(), err)
		}
		if id := rec.Header().Get("X-Request-Id"); id == "" || line["request_id"] != id {
			t.Errorf("%s is logged with the id %v and answered with %q", path, line["request_id"], id)
		}
		if trace, there := line["trace_id"]; there {
			t.Errorf("%s is logged with the trace %v, and has none", path, trace)
		}
	}
}
