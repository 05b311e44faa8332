package order

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestUncrowded(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	h := limitInFlight(1)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			inside <- struct{}{}
			<-leave
		}
		w.WriteHeader(http.StatusOK)
	}))
	ask := func(path string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
		return rec
	}
	slow := make(chan int)
	go func() { slow <- ask("/slow").Code }()
	<-inside
	rec := ask("/v1/orders")
	var p Problem
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != http.StatusServiceUnavailable ||
		p.Code != "busy" || !p.Retryable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("one too many: %d %s, want 503 busy with Retry-After", rec.Code, rec.Body)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code := ask(path).Code; code != http.StatusOK {
			t.Errorf("%s in a crowd: %d", path, code)
		}
	}
	close(leave)
	if code := <-slow; code != http.StatusOK {
		t.Errorf("the one inside: %d", code)
	}
	if code := ask("/v1/orders").Code; code != http.StatusOK {
		t.Errorf("after the crowd: %d", code)
	}
}
