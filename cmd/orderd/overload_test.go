package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// More orders arrive at once than orderd accepts. Each is placed, or refused with an answer
// that says so and when to retry; none is lost in between.
func TestOverload_EachIsPlacedOrToldToComeAgain(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		flags  []string
		held   bool // the SKU's lock is held until an order is refused
		status int
		code   string
	}{
		"a full lane":         {nil, true, http.StatusServiceUnavailable, "busy"},
		"a rate for all":      {[]string{"--rate-limit", "0.01:100"}, false, http.StatusTooManyRequests, "rate_limited"},
		"a rate for a client": {[]string{"--client-rate-limit", "0.01:100"}, false, http.StatusTooManyRequests, "rate_limited"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			setup := d.start(t, "r1", "redis")
			const units, clients = 100_000, 800 // a lane has room for 512, behind those being placed
			setup.mustSet(t, "A-1", units, "predicate")
			r := d.start(t, "r2", "redis", append(row.flags, patient...)...)
			release := func() {}
			if row.held {
				release = sync.OnceFunc(takeTurn(t, d, "A-1"))
			}
			var placed, refused atomic.Int64
			var all sync.WaitGroup
			for range clients {
				all.Go(func() {
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/orders", strings.NewReader(orderOne))
					if err != nil {
						t.Error(err)
						return
					}
					req.Header.Set("Content-Type", "application/json")
					resp, err := overloading.Do(req)
					if err != nil {
						t.Error(err)
						return
					}
					defer resp.Body.Close()
					var p struct {
						Code      string
						Retryable bool
					}
					switch err := json.NewDecoder(resp.Body).Decode(&p); {
					case err != nil:
						t.Error(err)
					case resp.StatusCode == http.StatusCreated:
						placed.Add(1)
					case resp.StatusCode == row.status && p.Code == row.code && p.Retryable && resp.Header.Get("Retry-After") != "":
						refused.Add(1)
						release()
					default:
						t.Errorf("answered %s %+v, Retry-After %q", resp.Status, p, resp.Header.Get("Retry-After"))
					}
				})
			}
			all.Wait()
			release()
			if placed.Load() == 0 || refused.Load() == 0 || placed.Load()+refused.Load() != clients {
				t.Errorf("%d placed and %d refused of %d, want some of each", placed.Load(), refused.Load(), clients)
			}
			if _, item := setup.send(t, http.MethodGet, "/v1/stock/A-1", ""); item["sold"] != float64(placed.Load()) {
				t.Errorf("sold %v, and %d were told so", item["sold"], placed.Load())
			}
		})
	}
}

// overloading opens a connection for each request.
var overloading = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
