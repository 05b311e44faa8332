package order

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// A record collects what the handlers know of a request, for the middleware to report:
// where its time went and why it failed. It belongs to the request's goroutine.
type record struct {
	client string // the name, if clients are distinguished
	route  string // the pattern of its route, once the router has chosen it
	steps  []step
	shared string // its group's steps, as String formats them
	err    error
	code   string // of the problem that it was answered with, if any
	// counted: the order's outcome is in the metrics.
	counted bool

	traces *Traces     // makes its spans; nil: none
	header http.Header // of the request
	id     string      // the request's, as sent to the client; empty: none yet
}

type step struct {
	name string
	took time.Duration
}

type recordKey struct{}

func withRecord(ctx context.Context, traces *Traces) (context.Context, *record) {
	r := &record{traces: traces}
	return context.WithValue(ctx, recordKey{}, r), r
}

// recordOf returns the request's record, or a new one that nobody reads.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// String formats the steps as the value of a Server-Timing header, durations in
// milliseconds.
func (r *record) String() string {
	if len(r.steps) == 0 {
		return r.shared
	}
	text := make([]byte, 0, 128)
	for i, s := range r.steps {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(append(text, s.name...), ";dur="...)
		text = appendMillis(text, s.took)
	}
	if r.shared != "" {
		text = append(append(text, ", "...), r.shared...)
	}
	return string(text)
}

// appendMillis appends a duration in milliseconds, to the microsecond. Every order has
// several: with strconv formatting a float takes three times as long.
func appendMillis(text []byte, d time.Duration) []byte {
	us := d.Microseconds()
	text = append(strconv.AppendInt(text, us/1000, 10), '.')
	return append(text, byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}
