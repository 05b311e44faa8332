package order_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"orderd/internal/locking"
)

// A stalled body is one whose read deadline has passed. Reading it again would mean waiting
// again.
type stalled struct{ asked, closed int }

func (s *stalled) Read([]byte) (int, error) {
	s.asked++
	return 0, os.ErrDeadlineExceeded
}

// Close of a real body would read what is left, for as long as that may take.
func (s *stalled) Close() error {
	s.closed++
	return nil
}

func TestHTTP_AStalledBodyIsNotGivenItsTimeTwice(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	body := &stalled{}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/orders", body)
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	s.handler.ServeHTTP(rec, req)
	if p := problemIn(t, rec); rec.Code != http.StatusRequestTimeout || p.Code != "timeout" {
		t.Errorf("it is answered %d %s, want 408", rec.Code, rec.Body)
	}
	if body.asked != 1 || body.closed != 0 {
		t.Errorf("it was waited for %d times, and %d times to close it; want once", body.asked, body.closed)
	}
}
