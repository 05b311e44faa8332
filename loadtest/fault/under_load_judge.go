package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// judge fills in the cell from the drive and what it left behind. cause is why the disruption
// did not complete, nil if it did.
func (s *loadFault) judge(ctx context.Context, cell *report.Cell, d *drive, cause error) (audit.Records, error) {
	r := audit.Records{
		Ops: d.ops, Clients: loadClients, Starts: []audit.Start{{OnHand: cell.Stock}}, Fault: &audit.Fault{Name: cell.Fault, Fired: s.done.Load() > 0, Healed: &s.healed},
	}
	if !d.sold.Load() && cause == nil {
		cause = errors.New("the SKU was not sold out in time afterwards")
	}
	if cause == nil {
		cause = s.aftermath(ctx, s.clock, cell.SKU, &r)
	}
	var err error
	if r.Ledger, err = s.fleet.Ledger(ctx, cell.SKU); err != nil {
		return r, err
	}
	cell.Judge(r, s.over)
	fired := audit.Invariant{Name: faultFired, Verdict: audit.Held, Evidence: fmt.Sprintf("%d times", s.done.Load())}
	if s.done.Load() == 0 || cause != nil {
		fired.Verdict = audit.Undecided
		if cause != nil {
			fired.Evidence += ": " + cause.Error()
		}
	}
	cell.Invariants = append(cell.Invariants, fired)
	cell.Conclude()
	cell.CaughtBy = d.caughtBy(cell)
	cell.Timeline = s.draw(r.Ledger)
	cell.Story = []string{fmt.Sprintf("It happened %d times while %d clients ordered; %d units were there and %d too many were sold.",
		s.done.Load(), loadClients, cell.Stock, cell.Oversold)}
	return r, nil
}

// caughtBy names the layers that were seen to stop an order.
func (d *drive) caughtBy(cell *report.Cell) string {
	switch {
	case cell.Oversell():
		return byNothing
	case cell.Verdict != audit.Held:
		return ""
	}
	var layers []string
	if slices.ContainsFunc(d.ops, func(op load.Op) bool { return op.LockWait > loadWork/2 }) {
		layers = append(layers, byLock)
	}
	if slices.ContainsFunc(d.ops, func(op load.Op) bool { return op.Code == "lease_lost" }) {
		layers = append(layers, byLeaseCheck) // or the guards fence and claim, which answer the same
	}
	return strings.Join(layers, ", ")
}

// draw shows when replicas and servers were down, and the sales of units that were not there.
func (s *loadFault) draw(ledger []load.Movement) *report.Timeline {
	var replicas []string
	for _, p := range s.replicas.Processes {
		replicas = append(replicas, replicaOf(p))
	}
	t := s.timeline.Timeline(s.over, replicas...)
	answered := map[string]time.Duration{}
	for _, d := range s.drive {
		for _, op := range d.ops {
			answered[op.OrderID] = op.Return
		}
	}
	for _, m := range ledger {
		if at, ok := answered[m.OrderID]; ok && m.Reason == "sale" && m.OnHand < 0 {
			t.Marks = append(t.Marks, report.Mark{
				Lane: m.Replica, Kind: report.Oversold, Label: "sold what was not there", At: report.Millis(at), OrderID: m.OrderID,
			})
		}
	}
	return t
}

// replicaOf is the replica's name, which ends the name of its process.
func replicaOf(p *stack.Process) string { return p.Name()[len(p.Name())-len("r1"):] }
