package report

// A Timeline is what was seen of one run under a fault, on one clock: the
// milliseconds since the run began.
type Timeline struct {
	Lanes []string `json:"lanes"` // replicas first, then the servers that something was done to
	Spans []Span   `json:"spans"`
	Marks []Mark   `json:"marks"`
}

// A SpanKind says what lasted.
type SpanKind string

// The kinds of spans.
const (
	Holds   SpanKind = "holds"   // a replica believes it holds the lock
	Waits   SpanKind = "waits"   // a replica waits for the lock
	Paused  SpanKind = "paused"  // the process is stopped
	CutOff  SpanKind = "cut off" // the lane's way to what Label names is cut
	Down    SpanKind = "down"    // the process is dead, or its server does not serve
	Expired SpanKind = "expired" // a replica works on although its lease has ended
)

// A Span is something that lasted. Token is the lease's, 0 if it has none or
// nobody knows.
type Span struct {
	Lane  string   `json:"lane"`
	Kind  SpanKind `json:"kind"`
	Label string   `json:"label"`
	From  float64  `json:"from_ms"`
	To    float64  `json:"to_ms"`
	Token int64    `json:"token,omitempty"`
}

// A MarkKind says what happened.
type MarkKind string

// The kinds of marks.
const (
	Sold     MarkKind = "sold"     // a unit that was there
	Oversold MarkKind = "oversold" // a unit that was not
	Refused  MarkKind = "refused"  // Label says by which layer
	Event    MarkKind = "event"    // anything else: a failover, a FLUSHALL
)

// A Mark is something that happened at a moment.
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
