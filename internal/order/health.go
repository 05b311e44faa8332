package order

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// checkLimit bounds the check of a dependency. Load balancers ask every second or so.
const checkLimit = time.Second

// A Check asks one dependency whether it answers now.
type Check struct {
	Name string
	Ask  func(context.Context) error
}

// Health answers /livez and /readyz.
type Health struct {
	log      *slog.Logger
	checks   []Check
	asking   singleflight.Group
	draining atomic.Bool
}

// NewHealth returns the health of a process with these dependencies. The log gets the reason
// for which one is unavailable, whoever asks.
func NewHealth(log *slog.Logger, checks ...Check) *Health {
	return &Health{log: log, checks: checks}
}

// Drain makes /readyz answer 503 from now on, so that balancers send no more requests, and every
// answer close its connection.
func (h *Health) Drain() { h.draining.Store(true) }

// Handler serves /livez and /readyz alone.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", h.live)
	mux.HandleFunc("GET /readyz", h.ready)
	return mux
}

// live reports that the process runs. It checks no dependency: a restart would not bring
// one back.
func (h *Health) live(w http.ResponseWriter, _ *http.Request) {
	writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
}

// ready reports whether orders can be taken, and which dependencies are unavailable. The
// reason is only in the log.
func (h *Health) ready(w http.ResponseWriter, _ *http.Request) {
	if h.draining.Load() {
		writeStatus(w, http.StatusServiceUnavailable, map[string]string{"status": "draining"})
		return
	}
	results := h.ask()
	status, body := http.StatusOK, map[string]string{"status": "ok"}
	for i, c := range h.checks {
		body[c.Name] = "ok"
		if results[i] != nil {
			status, body["status"], body[c.Name] = http.StatusServiceUnavailable, "unavailable", "unavailable"
		}
	}
	writeStatus(w, status, body)
}

// ask runs all checks at once and returns the error of each. Anybody may call it, so
// concurrent callers share one run: the checks take capacity from orders.
func (h *Health) ask() []error {
	answer, _, _ := h.asking.Do("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.Background(), checkLimit)
		defer cancel()
		results := make([]error, len(h.checks))
		var asking sync.WaitGroup
		for i, c := range h.checks {
			asking.Go(func() {
				if results[i] = c.Ask(ctx); results[i] != nil {
					h.log.Warn("not ready", "check", c.Name, "err", results[i])
				}
			})
		}
		asking.Wait()
		return results, nil
	})
	return answer.([]error)
}

func writeStatus(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header()["Cache-Control"] = noStore
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client is gone if it fails
}
