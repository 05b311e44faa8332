package report

import (
	"time"

	"orderd/loadtest/audit"
)

// A Timeline is what was seen of one run under a fault, on one clock: the
// milliseconds since the run began.
type Timeline struct {
	Lanes []string `json:"lanes"` // replicas first, then the servers that something was done to
	Spans []Span   `json:"spans"`
	Marks []Mark   `json:"marks"`
}

// A SpanKind is a kind of span.
type SpanKind string

// The kinds of spans.
const (
	Holds   SpanKind = "holds"   // a replica believes it holds the lock
	Waits   SpanKind = "waits"   // a replica waits for the lock
	Paused  SpanKind = "paused"  // the process is stopped
	CutOff  SpanKind = "cut off" // the lane's connection to what Label names is cut
	Down    SpanKind = "down"    // the process is dead, or the server does not serve
	Expired SpanKind = "expired" // a replica works on although its lease has ended
	// LeftBehind: the lock service still names a replica that is dead.
	LeftBehind SpanKind = "left behind"
)

// A Span is a state that lasted. Token is the lease's, 0 if it has none or it is unknown.
type Span struct {
	Lane  string   `json:"lane"`
	Kind  SpanKind `json:"kind"`
	Label string   `json:"label"`
	From  float64  `json:"from_ms"`
	To    float64  `json:"to_ms"`
	Token int64    `json:"token,omitempty"`
}

// A MarkKind is a kind of mark.
type MarkKind string

// The kinds of marks.
const (
	Sold     MarkKind = "sold"     // a unit that was there
	Oversold MarkKind = "oversold" // a unit that was not
	Refused  MarkKind = "refused"  // Label says by which layer
	Event    MarkKind = "event"    // anything else: a failover, a FLUSHALL
)

// A Mark is an event at one moment.
type Mark struct {
	Lane    string   `json:"lane"`
	Kind    MarkKind `json:"kind"`
	Label   string   `json:"label"`
	At      float64  `json:"at_ms"`
	OrderID string   `json:"order_id,omitempty"`
}

// Tries counts the repetitions of a cell by verdict.
type Tries struct {
	Held      int `json:"held"`
	Violated  int `json:"violated"`
	Undecided int `json:"undecided"`
}

// leases returns the critical sections as the replicas saw them: after its lease has ended,
// one goes on for as long as its holder works on.
func (t *Timeline) leases() []audit.Lease {
	var leases []audit.Lease
	for _, s := range t.Spans {
		if s.Kind == Holds {
			leases = append(leases, audit.Lease{
				Replica: s.Lane, Token: s.Token, Asked: t.asked(s), Entered: moment(s.From), Left: moment(t.left(s)),
			})
		}
	}
	return leases
}

// asked is when the replica began to wait for a lease that it then held.
func (t *Timeline) asked(held Span) time.Duration {
	for _, s := range t.Spans {
		if s.Kind == Waits && s.Lane == held.Lane && s.From <= held.From && s.To >= held.From {
			return moment(s.From)
		}
	}
	return moment(held.From)
}

// left is when the replica stopped working under a lease, whether or not that had ended.
func (t *Timeline) left(held Span) float64 {
	left := held.To
	for _, s := range t.Spans {
		if s.Kind == Expired && s.Lane == held.Lane && s.From >= held.From && s.From <= held.To {
			left = max(left, s.To)
		}
	}
	return left
}

// fired reports whether the timeline shows anything that was done.
func (t *Timeline) fired() bool {
	for _, s := range t.Spans {
		if s.Kind == Paused || s.Kind == CutOff || s.Kind == Down {
			return true
		}
	}
	for _, m := range t.Marks {
		if m.Kind == Event {
			return true
		}
	}
	return false
}

func moment(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
