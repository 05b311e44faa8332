package fault

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"orderd/loadtest/load"
)

// An order that is not confirmed within recoverLimit of a fault does not count, even if its
// answer comes later.
func TestUntil_DoesNotWaitForAnAttemptForever(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(recoverLimit + time.Second):
			w.WriteHeader(http.StatusCreated)
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	r := &Rig{client: load.NewClient([]string{server.URL}, 1)}
	defer r.client.Close()
	ops, err := r.until(t.Context(), buyer{clock: time.Now(), sku: "A"}, load.Confirmed)
	if err == nil || len(ops) != 1 || ops[0].Outcome != load.Unknown {
		t.Errorf("until() = %+v, %v, want it given up after %v", ops, err, recoverLimit)
	}
}
