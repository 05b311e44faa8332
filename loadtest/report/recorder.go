package report

import (
	"slices"
	"sync"
	"time"
)

// A Recorder collects a timeline while things happen. Its methods are safe for concurrent use.
type Recorder struct {
	Clock time.Time // start of all times, on the monotonic clock

	mu    sync.Mutex
	spans []Span // To is negative while it lasts
	marks []Mark
}

// Millis is a duration as timelines have it: in milliseconds, to the microsecond.
func Millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Begin records that a state of the lane begins now.
func (r *Recorder) Begin(lane string, kind SpanKind, label string) {
	r.BeginLease(lane, kind, label, 0)
}

// BeginLease is Begin for a state that is a lease's, with its token.
func (r *Recorder) BeginLease(lane string, kind SpanKind, label string, token int64) {
	r.Add(Span{Lane: lane, Kind: kind, Label: label, From: Millis(time.Since(r.Clock)), To: -1, Token: token})
}

// Add records a state. One with a negative end still lasts.
func (r *Recorder) Add(s Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, s)
}

// End records that the lane's states of that kind end now.
func (r *Recorder) End(lane string, kind SpanKind) {
	now := Millis(time.Since(r.Clock))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.spans {
		if s := &r.spans[i]; s.Lane == lane && s.Kind == kind && s.To < 0 {
			s.To = now
		}
	}
}

// Down records that what the lane shows is down while away runs.
func (r *Recorder) Down(lane, label string, away func() error) error {
	r.Begin(lane, Down, label)
	defer r.End(lane, Down)
	return away()
}

// Event records what was done to the lane now.
func (r *Recorder) Event(lane, what string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, Mark{Lane: lane, Kind: Event, Label: what, At: Millis(time.Since(r.Clock))})
}

// Timeline returns what was recorded: these lanes first, then the others; what lasts until
// now ends over after the clock's start.
func (r *Recorder) Timeline(over time.Duration, lanes ...string) *Timeline {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := &Timeline{Lanes: lanes, Spans: slices.Clone(r.spans), Marks: slices.Clone(r.marks)}
	add := func(lane string) {
		if !slices.Contains(t.Lanes, lane) {
			t.Lanes = append(t.Lanes, lane)
		}
	}
	for i := range t.Spans {
		if t.Spans[i].To < 0 {
			t.Spans[i].To = Millis(over)
		}
		add(t.Spans[i].Lane)
	}
	for _, m := range t.Marks {
		add(m.Lane)
	}
	return t
}
