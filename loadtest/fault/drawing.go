package fault

import (
	"slices"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/report"
	"orderd/loadtest/wire"
)

// A section is a replica's critical section, as far as its statements to Postgres show it.
type section struct{ from, to time.Duration }

func (s *Scene) section(a *Actor) (section, bool) {
	var sec section
	found := false
	for _, e := range s.events[a] {
		if e.Statement == wire.Other {
			continue
		}
		if !found {
			sec.from, found = e.Asked.Sub(s.clock), true
		}
		for _, at := range []time.Time{e.Asked, e.Sent, e.Done} {
			if !at.IsZero() {
				sec.to = max(sec.to, at.Sub(s.clock))
			}
		}
	}
	return sec, found
}

// draw makes the timeline of the scene once it is over.
func (s *Scene) draw(ledger []load.Movement) *report.Timeline {
	t := s.timeline.Timeline(s.over, s.A.ID, s.B.ID)
	endAtDeath(t)
	for _, a := range s.actors() {
		s.addUnseen(t, a, ledger)
	}
	if slices.Contains(leased, s.mode) {
		s.sharpen(t)
	}
	for _, a := range s.actors() {
		s.drawActor(t, a)
	}
	for _, m := range ledger {
		s.drawSale(t, m)
	}
	slices.SortStableFunc(t.Spans, func(a, b report.Span) int { return int(1000 * (a.From - b.From)) })
	slices.SortStableFunc(t.Marks, func(a, b report.Mark) int { return int(1000 * (a.At - b.At)) })
	return t
}

// endAtDeath ends a replica's lease when it was killed. The lock service names it for longer,
// but nobody is in the critical section any more.
func endAtDeath(t *report.Timeline) {
	for _, down := range t.Spans {
		if down.Kind != report.Down {
			continue
		}
		for i := range t.Spans {
			sp := &t.Spans[i]
			if sp.Lane != down.Lane || sp.Kind != report.Holds || sp.To <= down.From || sp.From >= down.To {
				continue
			}
			rest := *sp
			rest.Kind, rest.Label, rest.From = report.LeftBehind, "lock left behind", max(sp.From, down.From)
			if sp.From >= down.From { // it was first seen after the death
				*sp = rest
				continue
			}
			sp.To = down.From
			t.Spans = append(t.Spans, rest)
		}
	}
}

// addUnseen adds the lease of an actor that was too short to be polled: its statements to
// Postgres show it.
func (s *Scene) addUnseen(t *report.Timeline, a *Actor, ledger []load.Movement) {
	sec, worked := s.section(a)
	if !worked || slices.ContainsFunc(t.Spans, func(sp report.Span) bool { return sp.Lane == a.ID && sp.Kind == report.Holds }) {
		return
	}
	unseen := report.Span{Lane: a.ID, Kind: report.Holds, Label: "in its critical section", From: report.Millis(sec.from), To: report.Millis(sec.to)}
	for _, m := range ledger {
		if m.Reason == "sale" && m.Replica == a.ID {
			unseen.Token = m.Token
		}
	}
	t.Spans = append(t.Spans, unseen)
}

// sharpen corrects who held the lock by what they sent to Postgres, because polling sees a
// change late. A replica that works already has the lock, and the others no longer do; one
// that goes on nevertheless works without it, as drawActor shows.
func (s *Scene) sharpen(t *report.Timeline) {
	for _, a := range s.actors() {
		sec, worked := s.section(a)
		first := slices.IndexFunc(t.Spans, func(sp report.Span) bool { return sp.Lane == a.ID && sp.Kind == report.Holds })
		if !worked || first < 0 {
			continue
		}
		held := &t.Spans[first]
		held.From = min(held.From, report.Millis(sec.from))
		for i := range t.Spans {
			if sp := &t.Spans[i]; sp.Kind == report.Holds && sp.Lane != a.ID && sp.From < held.From {
				sp.To = min(sp.To, held.From)
			}
		}
	}
}

// drawActor adds where the actor waited, and where it worked without a lease.
func (s *Scene) drawActor(t *report.Timeline, a *Actor) {
	o, ordered := s.orders[a]
	sec, worked := s.section(a)
	if !ordered {
		return
	}
	lasted := -1.0 // when its last lease ended
	for i := range t.Spans {
		if sp := &t.Spans[i]; sp.Lane == a.ID && sp.Kind == report.Holds {
			lasted = max(lasted, sp.To)
		}
	}
	if worked && report.Millis(sec.to) > lasted {
		t.Spans = append(t.Spans, report.Span{
			Lane: a.ID, Kind: report.Expired, Label: "works on without the lock", From: max(lasted, report.Millis(sec.from)), To: report.Millis(sec.to),
		})
	}
	if s.waited[a] {
		until := report.Millis(o.op.Return)
		if worked {
			until = report.Millis(sec.from)
		}
		t.Spans = append(t.Spans, report.Span{Lane: a.ID, Kind: report.Waits, Label: "waits for the lock", From: report.Millis(o.op.Call), To: until})
	}
	if o.op.Outcome != load.Confirmed && o.op.Code != "" {
		t.Marks = append(t.Marks, report.Mark{Lane: a.ID, Kind: report.Refused, Label: o.op.Code, At: report.Millis(o.op.Return)})
	}
}

// nameLayer adds to the refusals the layer that caused them, once it is known.
func nameLayer(t *report.Timeline, caught string) {
	for i := range t.Marks {
		if m := &t.Marks[i]; m.Kind == report.Refused && caught != "" {
			m.Label += ": " + caught
		}
	}
}

func (s *Scene) drawSale(t *report.Timeline, m load.Movement) {
	for _, a := range s.actors() {
		if m.Reason != "sale" || m.Replica != a.ID {
			continue
		}
		mark := report.Mark{Lane: a.ID, Kind: report.Sold, Label: "sold the unit", OrderID: m.OrderID}
		if m.OnHand < 0 {
			mark.Kind, mark.Label = report.Oversold, "sold it once more"
		}
		for _, e := range s.events[a] {
			if e.Statement == wire.Commit && !e.Done.IsZero() {
				mark.At = report.Millis(e.Done.Sub(s.clock))
			}
		}
		t.Marks = append(t.Marks, mark)
	}
}
