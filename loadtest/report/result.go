// Package report writes what a run of the laboratory found: for programs, for terminals and
// as a page.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/modes"
)

// SchemaVersion is the version of result.json; it grows when readers have to change.
const SchemaVersion = 1

// A Result is the whole of result.json.
type Result struct {
	SchemaVersion int               `json:"schema_version"`
	Command       string            `json:"command"`
	Arguments     []string          `json:"arguments"` // to run it again
	Started       time.Time         `json:"started"`
	Seed          uint64            `json:"seed"`
	Host          Host              `json:"host"`
	Versions      map[string]string `json:"versions"`
	Config        map[string]string `json:"config"`
	Verdict       audit.Verdict     `json:"verdict"`          // held: every cell did what was expected of it
	Faults        map[string]string `json:"faults,omitempty"` // what each does, by its name
	Cells         []Cell            `json:"cells"`
}

// Host is the machine of a run.
type Host struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPUs int    `json:"cpus"`
}

// An Expectation says what a cell should do.
type Expectation string

// The expectations: sell no more than there is, sell more, or either.
const (
	Hold   Expectation = "hold"
	Break  Expectation = "break"
	Either Expectation = "either"
)

// A Cell is one drive: its setup, its outcome and the verdict.
type Cell struct {
	Lock     string `json:"lock"`
	Replicas int    `json:"replicas"`
	Guard    string `json:"guard"`
	BatchMax int    `json:"batch_max"` // 0: unknown, as deployed
	Clients  int    `json:"clients"`
	Stock    int64  `json:"stock"`
	Fault    string `json:"fault"`
	SKU      string `json:"sku"`

	Orders          Orders      `json:"orders"`
	Oversold        int64       `json:"oversold"`
	Undersold       int64       `json:"undersold"`
	Seconds         float64     `json:"seconds"`
	OrdersPerSecond float64     `json:"orders_per_second"` // confirmed and sold_out: those that were decided
	Latency         Percentiles `json:"latency_ms"`
	Latencies       []Bucket    `json:"latency_histogram,omitempty"`
	LockWait        Percentiles `json:"lock_wait_ms"` // of the orders that reached the lock

	Expectation Expectation       `json:"expectation"`
	Exclusive   bool              `json:"exclusive,omitempty"` // critical sections must not overlap, whatever the guard
	Verdict     audit.Verdict     `json:"verdict"`             // on never overselling
	Met         bool              `json:"met"`
	Invariants  []audit.Invariant `json:"invariants"`
	Counted     []audit.Invariant `json:"counted,omitempty"` // reported, and decide nothing
	CaughtBy    string            `json:"caught_by"`         // the layer, as lock, lease check or predicate, or nothing; empty without a race

	// Of a fault's cell, which is tried several times: how the tries came out, and what was
	// seen of the one that Verdict is about. Story tells it in as few sentences as possible.
	Tries    *Tries    `json:"tries,omitempty"`
	Timeline *Timeline `json:"timeline,omitempty"`
	Story    []string  `json:"story,omitempty"`

	Soak *Soak `json:"soak,omitempty"` // of a part of a soak
}

// Orders counts the orders by their final outcome. All attempts with the same idempotency key
// are one order: one that got a definite answer after an attempt of unknown outcome is no
// longer unknown.
type Orders struct {
	Confirmed int `json:"confirmed"`
	SoldOut   int `json:"sold_out"`
	Busy      int `json:"busy"`
	Unknown   int `json:"unknown"`
	Failed    int `json:"failed"`
}

// Judge fills in the cell from the records.
func (c *Cell) Judge(r audit.Records, took time.Duration) {
	c.Orders = count(r.Ops)
	c.Seconds = took.Seconds()
	if took > 0 {
		c.OrdersPerSecond = float64(c.Orders.Confirmed+c.Orders.SoldOut) / took.Seconds()
	}
	latencies, waits := newHistogram(), newHistogram()
	for _, op := range r.Ops {
		latencies.add(op.Latency())
		if op.LockWait >= 0 {
			waits.add(op.LockWait)
		}
	}
	c.Latency, c.LockWait = latencies.percentiles(), waits.percentiles()
	c.Latencies = latencies.buckets()

	j := audit.Judge(c.known(r))
	c.Oversold, c.Undersold, c.Invariants, c.Counted = j.Oversold, j.Undersold, j.Invariants, j.Counted
	c.Conclude()
	if c.Fault == "" { // for a fault, package fault fills in both
		c.CaughtBy, c.Story = caughtBy(c), j.Trace
	}
}

// known adds to the records what the cell knows of the drive: whether only the lock protects
// the stock, and what the timeline shows of a fault.
func (c *Cell) known(r audit.Records) audit.Records {
	r.Tokens = modes.Of(c.Lock).Leased
	// Under most faults a holder may outlive its lease and yet be stopped in time.
	r.Exclusive = c.Exclusive || c.Expectation == Hold && c.Guard == modes.Unguarded && c.Clients > 1 && c.Fault == ""
	if c.Timeline == nil {
		return r
	}
	if r.Leases == nil {
		r.Leases = c.Timeline.leases()
	}
	if r.Fault == nil && c.Fault != "" {
		r.Fault = &audit.Fault{Name: c.Fault, Fired: c.Timeline.fired()}
	}
	return r
}

// total is how often the cell was tried; 1 for nil.
func (t *Tries) total() int {
	if t == nil {
		return 1
	}
	return t.Held + t.Violated + t.Undecided
}

// agree reports whether all tries came out as expected.
func (t *Tries) agree(e Expectation) bool {
	switch {
	case t == nil:
		return true
	case e == Hold:
		return t.Violated+t.Undecided == 0
	case e == Break:
		return t.Held+t.Undecided == 0
	default:
		return t.Undecided == 0
	}
}

// caughtBy names the layer that kept the stock right, as far as the setup tells: with guard
// none it can only be the lock, and without a lock only the predicate.
func caughtBy(c *Cell) string {
	switch {
	case c.Clients == 1 || c.Verdict == audit.Undecided:
		return ""
	case c.Oversell():
		return "nothing"
	case c.Verdict == audit.Violated:
		return ""
	case c.Guard == modes.Unguarded:
		return "lock"
	case c.Lock == modes.None:
		return c.Guard
	default:
		return fmt.Sprintf("lock or %s", c.Guard)
	}
}

func count(ops []load.Op) (o Orders) {
	for _, op := range settled(ops) {
		switch op.Outcome {
		case load.Confirmed:
			o.Confirmed++
		case load.SoldOut:
			o.SoldOut++
		case load.Busy:
			o.Busy++
		case load.Unknown:
			o.Unknown++
		case load.Failed:
			o.Failed++
		}
	}
	return o
}

// settled returns, of all attempts with the same key, the one that tells the order's outcome:
// one that confirmed it; else the last that was sold out or unknown; else the last. An order
// that may have been placed stays unknown until an attempt gets a definite answer.
func settled(ops []load.Op) []load.Op {
	var orders []load.Op
	at := map[string]int{}
	tells := func(op load.Op) bool { return op.Outcome == load.SoldOut || op.Outcome == load.Unknown }
	for _, op := range ops {
		i, again := at[op.Key]
		switch {
		case op.Key == "" || !again:
			at[op.Key] = len(orders)
			orders = append(orders, op)
		case orders[i].Outcome == load.Confirmed:
		case op.Outcome == load.Confirmed || tells(op) || !tells(orders[i]):
			orders[i] = op
		}
	}
	return orders
}

// ThisHost describes the machine that the program runs on.
func ThisHost() Host { return Host{runtime.GOOS, runtime.GOARCH, runtime.NumCPU()} }

// JSON writes a Result, or a document that holds one, for a program.
func JSON(w io.Writer, r any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}
