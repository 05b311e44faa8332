package order

import (
	"context"
	"strconv"
	"time"
)

// A record collects what the handlers know of a request and the middleware
// tells: where its time went and why it failed. It belongs to the request's
// goroutine.
type record struct {
	client string // who asked, if clients are told apart
	steps  []step
	err    error
}

type step struct {
	name string
	took time.Duration
}

type recordKey struct{}

func withRecord(ctx context.Context) (context.Context, *record) {
	r := &record{}
	return context.WithValue(ctx, recordKey{}, r), r
}

// recordOf returns the request's record, or one that nobody reads.
func recordOf(ctx context.Context) *record {
	if r, ok := ctx.Value(recordKey{}).(*record); ok {
		return r
	}
	return &record{}
}

// timed notes that the step that began at start has ended.
func timed(ctx context.Context, name string, start time.Time) {
	r := recordOf(ctx)
	r.steps = append(r.steps, step{name, time.Since(start)})
}

// String is the value of a Server-Timing header, durations in milliseconds.
func (r *record) String() string {
	if len(r.steps) == 0 {
		return ""
	}
	text := make([]byte, 0, 128)
	for i, s := range r.steps {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = append(append(text, s.name...), ";dur="...)
		text = strconv.AppendFloat(text, float64(s.took)/float64(time.Millisecond), 'f', 3, 64)
	}
	return string(text)
}
