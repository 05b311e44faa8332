package soak

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/report"
)

// Names of the invariants that a soak adds to the audit's: those that can only be observed
// during the run.
const (
	itHappened = "replicas and servers were stopped and restarted"
	noneFailed = "no order through the balancer failed while replicas were replaced"
	booksRight = "orderd reconcile --check finds nothing"
	flatCode   = "goroutines are as many as before"
	flatLinks  = "connections are as many as before"
	flatMemory = "memory is as much as before"
)

var added = []string{itHappened, noneFailed, booksRight, flatCode, flatLinks, flatMemory}

// settleLimit is how long after the last order it may take until all is right: the last holds
// end, and the reconciler makes a pass.
const settleLimit = 30 * time.Second

// settle waits until the last hold has ended, and has the books checked.
func (s *part) settle(ctx context.Context) error {
	began := time.Now()
	if err := await(ctx, settleLimit, "the last hold to end", func() (bool, error) {
		held, err := s.fleet.Held(ctx)
		return held == 0, err
	}); err != nil {
		return err
	}
	i := audit.Invariant{Name: booksRight, Verdict: audit.Held}
	for {
		said, right, err := s.fleet.Reconcile(ctx)
		if err != nil {
			return err
		}
		i.Evidence = strings.ReplaceAll(said, "\n", "; ")
		if right {
			break
		}
		if time.Since(began) > settleLimit {
			i.Verdict = audit.Violated
			break
		}
	}
	s.seen = append(s.seen, i)
	return nil
}

// judge fills in the cell.
func (s *part) judge(cell *report.Cell, r audit.Records) {
	sent := s.shop.sent()
	sent[replaced] = len(s.rolled)
	cell.Soak = &report.Soak{Sent: sent, Done: s.chaos.done, Before: s.before, After: s.after}
	over := time.Since(s.clock)
	cell.Timeline = s.chaos.draw(over)
	cell.Judge(r, over)
	cell.Invariants = append(cell.Invariants, s.chaos.happened())
	cell.Invariants = append(cell.Invariants, s.seen...)
	cell.Invariants = append(cell.Invariants, flat(s.before, s.after)...)
	cell.Conclude()
	cell.Story = []string{
		fmt.Sprintf("%d requests: %s.", s.shop.requests()+len(s.rolled), told(sent, kinds)),
		fmt.Sprintf("Meanwhile: %s.", s.chaos),
		fmt.Sprintf("%d orders confirmed, %d refused as sold out, %d busy, %d of unknown outcome, %d refused otherwise.",
			cell.Orders.Confirmed, cell.Orders.SoldOut, cell.Orders.Busy, cell.Orders.Unknown, cell.Orders.Failed),
	}
}

// happened guards against a verdict without disruptions.
func (w *chaos) happened() audit.Invariant {
	i := audit.Invariant{Name: itHappened, Verdict: audit.Held, Evidence: w.String()}
	for _, what := range append([]string{killed, ended}, w.restarts()...) {
		if least := 2; w.done[what] < least {
			i.Verdict = audit.Undecided
		}
	}
	return i
}

// Again judges a part of a finished soak once more. What could only be observed during the
// run is taken from the cell.
func Again(cell *report.Cell, r audit.Records) {
	seen := slices.DeleteFunc(slices.Clone(cell.Invariants), func(i audit.Invariant) bool { return !slices.Contains(added, i.Name) })
	cell.Judge(r, time.Duration(cell.Seconds*float64(time.Second)))
	cell.Invariants = append(cell.Invariants, seen...)
	cell.Conclude()
}
