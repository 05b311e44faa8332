package fault

import (
	"fmt"
	"slices"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
	"orderd/loadtest/wire"
)

// Layers, as CaughtBy names them besides the guards.
const (
	byLock       = "lock"
	byLeaseCheck = "lease check"
	byNothing    = "nothing"
)

// Names of the invariants that a fault adds to the audit's.
const (
	faultFired = "the fault happened"
	theyMet    = "the two orders contended"
)

// judge fills in the cell from what was observed. cause is why the schedule did not complete,
// nil if it did.
func (s *Scene) judge(cell *report.Cell, r audit.Records, cause error) {
	cell.Timeline = s.draw(r.Ledger)
	cell.Judge(r, s.over)
	cell.Invariants = withoutDriveTested(cell.Invariants)
	fired, met := audit.Held, audit.Held
	evidence := s.fire
	if s.fire == "" || cause != nil {
		fired = audit.Undecided
		evidence = "it was not seen"
		if cause != nil {
			evidence = cause.Error()
		}
	}
	meeting := s.howMet()
	if meeting == "" {
		met, meeting = audit.Undecided, "the two orders were not seen to overlap"
	}
	cell.Invariants = append(cell.Invariants,
		audit.Invariant{Name: faultFired, Verdict: fired, Evidence: evidence},
		audit.Invariant{Name: theyMet, Verdict: met, Evidence: meeting})
	cell.Conclude()
	cell.CaughtBy = ""
	if cell.Verdict != audit.Undecided {
		cell.CaughtBy = s.caughtBy(cell)
	}
	nameLayer(cell.Timeline, cell.CaughtBy)
	cell.Story = s.tell(cell, r.Ledger)
}

// Again judges a cell of a finished run once more. What can only be observed during a run
// (that the fault happened, and that the two orders contended) is taken from the cell.
func Again(cell *report.Cell, r audit.Records) {
	var seen []audit.Invariant
	for _, i := range cell.Invariants {
		if i.Name == faultFired || i.Name == theyMet {
			seen = append(seen, i)
		}
	}
	caught, before := cell.CaughtBy, cell.Verdict
	cell.Judge(r, time.Duration(cell.Seconds*float64(time.Second)))
	if len(seen) > 1 { // of a schedule with two actors, not of a fault under load
		cell.Invariants = withoutDriveTested(cell.Invariants)
	}
	cell.Invariants = append(cell.Invariants, seen...)
	cell.Conclude()
	if cell.CaughtBy = ""; cell.Verdict == before {
		cell.CaughtBy = caught
	}
}

// withoutDriveTested removes audit.PutToTheTest. Two orders for one unit cannot satisfy it,
// since one of them may never be answered; theyMet says what they put to the test.
func withoutDriveTested(invariants []audit.Invariant) []audit.Invariant {
	return slices.DeleteFunc(invariants, func(i audit.Invariant) bool { return i.Name == audit.PutToTheTest })
}

// howMet says how the two orders contended; empty if they did not.
func (s *Scene) howMet() string {
	for _, a := range s.actors() {
		if s.waited[a] {
			return a.ID + " waited for the lock while the other held it"
		}
	}
	first, ok1 := s.section(s.A)
	second, ok2 := s.section(s.B)
	if ok1 && ok2 && first.from < second.to && second.from < first.to {
		both := min(first.to, second.to) - max(first.from, second.from)
		return fmt.Sprintf("both were in their critical sections for %.0f ms", report.Millis(both))
	}
	return s.meeting
}

// caughtBy returns the layer that kept the stock right, by what stopped the order that was
// not confirmed. It is empty if there was no second sale to stop.
func (s *Scene) caughtBy(cell *report.Cell) string {
	if cell.Oversell() {
		return byNothing
	}
	for _, a := range s.actors() {
		o, ordered := s.orders[a]
		if !ordered || o.op.Outcome == load.Confirmed {
			continue
		}
		if layer := s.stopped(a, s.other(a), &o.op); layer != "" {
			return layer
		}
	}
	return ""
}

// other is the other actor.
func (s *Scene) other(a *Actor) *Actor {
	if a == s.A {
		return s.B
	}
	return s.A
}

// changedMeanwhile is the SQLSTATE of a group whose rows were no longer as it had seen them.
const changedMeanwhile = "22012"

// stopped returns what stopped an actor's order while the other's went through.
func (s *Scene) stopped(a, winner *Actor, op *load.Op) string {
	events := s.events[a]
	refused := func(statement wire.Statement, tag string) bool {
		return slices.ContainsFunc(events, func(e wire.Event) bool { return e.Statement == statement && e.Tag == tag })
	}
	locked := slices.ContainsFunc(events, func(e wire.Event) bool { return e.Statement == wire.LockGroup && !e.Done.IsZero() })
	switch {
	case refused(wire.Place, "INSERT 0 0"):
		return s.guard // of the row: the write matched none
	case refused(wire.PlaceGroup, changedMeanwhile):
		return s.guard // the rows were no longer as the group had seen them
	case refused(wire.Claim, "UPDATE 0"):
		return claim
	case op.Code == "lease_lost" && (s.guard == fence || s.guard == claim) && locked:
		return byLeaseCheck + " or " + s.guard // the replica compared the row itself: seen from outside both look the same
	case op.Code == "lease_lost":
		return byLeaseCheck
	case op.Code == "sold_out" && s.looked(events, winner):
		return claim
	case op.Code == "busy", s.waited[a] && (op.Code == "sold_out" || op.Code == "unavailable"):
		return byLock
	}
	return ""
}

// looked reports whether an order claimed the row, and so read it instead of Redis, although
// the lock had let it in before the winner updated Redis.
func (s *Scene) looked(events []wire.Event, winner *Actor) bool {
	sold, told := time.Time{}, s.orders[winner].done
	for _, e := range s.events[winner] {
		if e.Statement == wire.Commit {
			sold = e.Done
		}
	}
	lost := sold.IsZero() // the winner died before it could update Redis
	select {
	case <-told:
		lost = lost || s.orders[winner].op.Outcome == load.Unknown
	default:
	}
	return slices.ContainsFunc(events, func(e wire.Event) bool {
		return e.Statement == wire.Claim && (lost || e.Asked.Before(sold))
	})
}

// tell writes the story in as few sentences as possible: what was done, and what became of
// the two orders.
func (s *Scene) tell(cell *report.Cell, ledger []load.Movement) []string {
	story := slices.Clone(s.story)
	for _, m := range ledger {
		switch {
		case m.Reason != "sale":
		case m.OnHand < 0:
			story = append(story, fmt.Sprintf("%s%s sold the same unit again: %d left.", m.Replica, withToken(m.Token), m.OnHand))
		default:
			story = append(story, fmt.Sprintf("%s%s sold the unit.", m.Replica, withToken(m.Token)))
		}
	}
	for _, a := range s.actors() {
		o, ordered := s.orders[a]
		if ordered && o.op.Code != "" {
			story = append(story, fmt.Sprintf("%s was answered %s.", a.ID, o.op.Code))
		}
	}
	switch cell.CaughtBy {
	case "":
	case byNothing:
		story = append(story, "Nothing stopped it.")
	default:
		story = append(story, fmt.Sprintf("What stopped the second sale: %s.", cell.CaughtBy))
	}
	return story
}

func withToken(token int64) string {
	if token == 0 {
		return ""
	}
	return fmt.Sprintf(" (token %d)", token)
}
