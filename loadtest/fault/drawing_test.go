package fault

import (
	"slices"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
	"orderd/loadtest/wire"
)

// Polling sees a new holder late, and may miss a short lease. Two replicas must not be
// reported as holders at once because of that alone.
func TestScene_drawsWhoHeldTheLock(t *testing.T) {
	t.Parallel()
	const begun = 100 // when the second's section begins, ms
	worked := func(clock time.Time, from, to int) []wire.Event {
		at := func(ms int) time.Time { return clock.Add(time.Duration(ms) * time.Millisecond) }
		return []wire.Event{{Statement: wire.Begin, Asked: at(from), Sent: at(from), Done: at(from)}, {Statement: wire.Commit, Asked: at(to), Sent: at(to), Done: at(to)}}
	}
	span := func(lane string, kind report.SpanKind, from, to float64) report.Span {
		return report.Span{Lane: lane, Kind: kind, From: from, To: to, Token: 7}
	}
	for name, row := range map[string]struct {
		mode      string
		seen      []report.Span
		firstEnds int // ms
		want      []report.Span
		overlap   bool
	}{
		"seen to end late": {redis, []report.Span{span("r1", report.Holds, 0, 108), span("r2", report.Holds, 108, 150)}, 90,
			[]report.Span{span("r1", report.Holds, 0, begun), span("r2", report.Holds, begun, 150)}, false},
		"the second too short to be seen": {redis, []report.Span{span("r1", report.Holds, 0, 108)}, 90,
			[]report.Span{span("r1", report.Holds, 0, begun), span("r2", report.Holds, begun, 110)}, false},
		"killed, and its lock left behind": {redis, []report.Span{span("r1", report.Holds, 0, 108), span("r1", report.Down, 60, 200)}, 50,
			[]report.Span{span("r1", report.Holds, 0, 60), span("r1", report.LeftBehind, 60, 108), span("r2", report.Holds, begun, 110)}, false},
		"works on after the second has begun": {redis, []report.Span{span("r1", report.Holds, 0, 80), span("r2", report.Holds, begun, 150)}, 105,
			[]report.Span{span("r1", report.Holds, 0, 80), span("r1", report.Expired, 80, 105), span("r2", report.Holds, begun, 150)}, true},
		"no lock at all": {none, nil, 105,
			[]report.Span{span("r1", report.Holds, 0, 105), span("r2", report.Holds, begun, 110)}, true},
	} {
		clock := time.Now()
		rig := &Rig{mode: row.mode, A: &Actor{ID: "r1"}, B: &Actor{ID: "r2", replica: 1}, C: &Actor{ID: "r3", replica: 2}}
		s := &Scene{Rig: rig, clock: clock, waited: map[*Actor]bool{}, over: time.Second}
		s.orders = map[*Actor]*order{s.A: {}, s.B: {}}
		s.events = map[*Actor][]wire.Event{s.A: worked(clock, 0, row.firstEnds), s.B: worked(clock, begun, begun+10)}
		for _, sp := range row.seen {
			s.timeline.Add(sp)
		}
		got := s.draw([]load.Movement{{Reason: "sale", Replica: "r1", Token: 7}, {Reason: "sale", Replica: "r2", Token: 7}})
		for _, want := range row.want {
			if !slices.ContainsFunc(got.Spans, func(sp report.Span) bool {
				return sp.Lane == want.Lane && sp.Kind == want.Kind && sp.From == want.From && sp.To == want.To &&
					(sp.Token == want.Token || sp.Kind != report.Holds)
			}) {
				t.Errorf("%s: drew %+v, want among them %+v", name, got.Spans, want)
			}
		}
		c := report.Cell{Timeline: got, Exclusive: true, Clients: 2}
		c.Judge(audit.Records{}, s.over)
		i := slices.IndexFunc(c.Invariants, func(i audit.Invariant) bool { return i.Name == audit.TurnsApart })
		if i < 0 || (c.Invariants[i].Verdict == audit.Violated) != row.overlap {
			t.Errorf("%s: of overlaps it is said %+v, want one: %v", name, c.Invariants, row.overlap)
		}
	}
}
