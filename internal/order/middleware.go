package order

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"orderd/internal/locking"
)

// RequestLimit is the longest a request may wait for the lock, Redis and Postgres, which
// have their own limits within it. A COMMIT that has been sent is awaited to its end all
// the same.
const RequestLimit = 15 * time.Second

// instrumentation measures and logs every request.
type instrumentation struct {
	log      *slog.Logger
	metrics  *Metrics
	traces   *Traces
	health   *Health
	identify bool // give successful requests an id as well, because they are logged
	always   []headerValue
}

// A headerValue is a header's whole value. All answers share it: setting it allocates
// nothing.
type headerValue struct {
	name   string // in the canonical form
	values []string
}

// noStore keeps what changes all the time out of caches: levels, orders, health.
var noStore = []string{"no-store"}

func newInstrumentation(s *Service, health *Health, replica string) *instrumentation {
	return &instrumentation{
		log: s.Log, metrics: s.Metrics, traces: s.Traces, health: health,
		identify: s.Log.Enabled(context.Background(), slog.LevelDebug),
		always:   []headerValue{{"X-Orderd-Replica", []string{replica}}, {"X-Content-Type-Options", []string{"nosniff"}}},
	}
}

// instrument sets the headers that every answer carries, counts the request, and
// logs it if it failed through no fault of the client.
func (in *instrumentation) instrument(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, record := withRecord(r.Context(), in.traces)
		for _, h := range in.always {
			w.Header()[h.name] = h.values
		}
		record.header = r.Header
		record.id = echoRequestID(r.Header, w.Header())
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			w.Header()["Cache-Control"] = noStore
		}
		// A proxy in front may disagree on where a chunked body ends: nothing that follows it is read. And
		// who keeps a connection to a replica that drains would ask it again, just as it is closed.
		if len(r.TransferEncoding) > 0 || in.health.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		timed := &timedWriter{ResponseWriter: w, record: record, identify: in.identify, status: http.StatusOK}
		next.ServeHTTP(timed, r.WithContext(ctx))
		if r.Method == http.MethodPost && r.URL.Path == ordersPath && record.code != "" && !record.counted {
			in.metrics.turnedAway(record.code)
		}
		in.note(ctx, r.Method, timed.status, time.Since(start))
	})
}

// limitTime sets the time limit of a request. Orders placed by fastPath do not pass through
// it: they have limits where they wait, in their lanes or for the servers that they call.
func limitTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), RequestLimit)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// noRoute is the label of requests that match no route.
const noRoute = "none"

func (in *instrumentation) note(ctx context.Context, method string, status int, took time.Duration) {
	// The pattern, never the path: labels have a fixed set of values, whatever clients request.
	record := recordOf(ctx)
	pattern := cmp.Or(record.route, noRoute)
	if pattern == noRoute || status == http.StatusMethodNotAllowed {
		method = "other"
	}
	observe(in.metrics.requests.WithLabelValues(method, pattern, strconv.Itoa(status)), took, in.traces.sampled(ctx))
	in.traces.answered(ctx, method, pattern, status, record.err)
	level := slog.LevelDebug
	switch {
	case status == http.StatusInternalServerError:
		level = slog.LevelError
	// Requests refused as busy are only counted: in a rush, logging them would slow down those in flight.
	case status > http.StatusInternalServerError && !errors.Is(record.err, locking.ErrBusy):
		level = slog.LevelWarn
	}
	if !in.log.Enabled(ctx, level) {
		return // the usual case: the arguments cost more than the check
	}
	about := []any{
		"method", method, "route", pattern, "status", status, "took_ms", took.Milliseconds(),
		"client", record.client, "request_id", record.id, "err", record.err,
	}
	if traceID, spanID := traceOf(ctx); spanID != "" {
		about = append(about, "trace_id", traceID, "span_id", spanID)
	} else if traceID != "" {
		about = append(about, "trace_id", traceID)
	}
	in.log.Log(ctx, level, "request", about...)
}

// recoverer answers 500 if a handler panics.
func (in *instrumentation) recoverer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p) // net/http's way to cut a connection
			}
			in.log.Error("panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			writeProblem(w, r, internalAnswer.problem(""))
		}()
		next.ServeHTTP(w, r)
	})
}

// maxInFlight is how many requests may be in flight. Each takes some 30 KB and waits for
// others; beyond this number they are refused at once, so that those in flight are not
// slowed down and memory stays bounded. A single SKU that everybody wants fills its lane,
// which is smaller, and leaves room for the others.
const maxInFlight = 640

// limitInFlight refuses requests while too many are in flight. Health checks are not
// counted: they have to get through.
func limitInFlight(limit int64) func(http.Handler) http.Handler {
	var inside atomic.Int64
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/livez" || r.URL.Path == "/readyz" {
				next.ServeHTTP(w, r)
				return
			}
			defer inside.Add(-1)
			if inside.Add(1) > limit {
				err := fmt.Errorf("%w: too many requests at once", locking.ErrBusy)
				recordOf(r.Context()).err = err
				writeProblem(w, r, problemOf(err))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// timedWriter adds the Server-Timing header at the last moment, when the steps' times are
// known, and an id to requests that failed or are logged.
type timedWriter struct {
	http.ResponseWriter
	record   *record
	identify bool // give all requests an id, not only those that failed
	status   int  // as answered
}

func (w *timedWriter) WriteHeader(status int) {
	w.status = status
	if w.record.id == "" && (status >= http.StatusBadRequest || w.identify) {
		w.record.id = newRequestID()
		w.Header().Set(requestIDHeader, w.record.id)
	}
	if timing := w.record.String(); timing != "" {
		w.Header().Set("Server-Timing", timing)
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *timedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
