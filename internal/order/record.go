package order

import (
	"context"
	"net/http"
	"strconv"
	"time"
)

// A record collects what the handlers know of a request and the middleware
// tells: where its time went and why it failed. It belongs to the request's
// goroutine.
type record struct {
	client string // who asked, if clients are told apart
	route  string // the pattern of the route that the router has chosen, once it has
	steps  []step
	shared string // the steps that came with a group, as String gives them
	err    error
	code   string // of the problem that it was answered with, if it was
	// counted: what became of the order is in the metrics.
	counted bool

	traces *Traces     // of what happens for it; nil: none
	header http.Header // of the request
	id     string      // the request's, as the client is told; empty until there is one
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

// recordOf returns the request's record, or one that nobody reads.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// String is the value of a Server-Timing header, durations in milliseconds.
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

// appendMillis writes a duration in milliseconds, to the microsecond. Every order
// has some: strconv takes three times as long over a float.
func appendMillis(text []byte, d time.Duration) []byte {
	us := d.Microseconds()
	text = append(strconv.AppendInt(text, us/1000, 10), '.')
	return append(text, byte('0'+us/100%10), byte('0'+us/10%10), byte('0'+us%10))
}
