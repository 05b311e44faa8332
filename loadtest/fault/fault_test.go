package fault

import (
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// An unsafe cell breaks, under the same schedule other guards hold and are named, and a
// schedule whose fault does not come about proves nothing.
func TestRun_OnRealServers(t *testing.T) {
	t.Parallel()
	f, err := fleet.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	idle := race
	idle.Name = "idle"
	idle.Schedule = func(s *Scene) error { // both order, and nothing is done to them
		s.order(s.A)
		s.order(s.B)
		return s.answered(s.A, s.B)
	}
	alone := race
	alone.Name = "alone"
	alone.Schedule = func(s *Scene) error { // it fires, and the two orders do not contend
		s.order(s.A)
		if err := s.answered(s.A); err != nil {
			return err
		}
		s.fired("nothing worth it")
		s.order(s.B)
		return s.answered(s.B)
	}
	cold := race
	cold.Name = "cold"
	cold.Schedule = func(s *Scene) error { // r1 cannot reach the lock service at first
		s.cut(s.A)
		s.running.Go(func() {
			_ = s.await("another attempt", func() (bool, error) {
				s.mu.Lock()
				defer s.mu.Unlock()
				return len(s.all) > 1, nil
			})
			s.heal()
		})
		return race.Schedule(s)
	}
	p := Plan{
		Faults: []Fault{race, pauseNewcomerFirst, pauseStaleFirst, commitReplyLost, idle, alone, cold},
		Modes:  []string{none, redis}, Guards: modes.Guards, Repeat: 2, BatchMax: 1,
		Done: func(report.Cell) {},
	}
	var done sync.Map
	p.Done = func(c report.Cell) { done.Store(c.SKU, true) }
	cells, records, err := Run(t.Context(), f, p)
	if err != nil {
		t.Fatal(err)
	}
	caught := map[string]string{}
	for i, c := range cells {
		name := c.Fault + " " + c.Lock + " " + c.Guard
		r := records[i]
		if _, ok := done.Load(c.SKU); !ok || len(r.Ledger) == 0 || r.Placed == nil || r.Levels == nil || r.Left == nil ||
			r.Fault.Healed == nil || r.Ops[0].Key == "" || len(r.Probes) < actors+1 {
			t.Errorf("%s: it was not told, or lacks records: %+v", name, r)
		}
		caught[name] = c.CaughtBy
		undecided := slices.Contains([]string{"idle", "alone"}, c.Fault)
		if c.Met == undecided || (c.Verdict == audit.Undecided) != undecided || *c.Tries != tries(c.Verdict) {
			t.Errorf("%s: %s, met %v, %+v; story %q", name, c.Verdict, c.Met, c.Tries, c.Story)
		}
		if c.Timeline == nil || len(c.Timeline.Spans) == 0 || c.Timeline.Lanes[0] != "r1" {
			t.Errorf("%s: no timeline: %+v", name, c.Timeline)
		}
	}
	for name, want := range map[string]string{
		"race none none":                       byNothing,
		"race none claim":                      byNothing,
		"race none predicate":                  predicate,
		"race redis none":                      byLock,
		"pause-newcomer-first redis none":      byLeaseCheck,
		"pause-newcomer-first redis fence":     fence,
		"pause-newcomer-first redis claim":     claim,
		"pause-newcomer-first redis predicate": predicate,
		"pause-stale-first redis none":         byNothing,
		"pause-stale-first redis fence":        byNothing,
		"pause-stale-first redis claim":        claim,
		"pause-stale-first redis predicate":    predicate,
		"commit-reply-lost redis none":         byLock,
		"idle none none":                       "",
		"cold redis none":                      byLock,
	} {
		if got, ok := caught[name]; !ok || got != want {
			t.Errorf("%s was caught by %q (there: %v), want %q", name, got, ok, want)
		}
	}
}

// Orders that are placed in groups, as by default, fare under the faults as single ones do.
func TestRun_InGroups(t *testing.T) {
	t.Parallel()
	f, err := fleet.Open(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	cells, _, err := Run(t.Context(), f, Plan{
		Faults: []Fault{race, pauseNewcomerFirst, pauseStaleFirst, staleRelease, acquireReplyLate, flushStock},
		Modes:  []string{redis}, Guards: []string{modes.Unguarded, predicate}, Repeat: 1, BatchMax: 64,
		Done: func(report.Cell) {},
	})
	if err != nil {
		t.Fatal(err)
	}
	caught := map[string]string{
		"race none": byLock, "race predicate": byLock,
		"pause-newcomer-first none": byLeaseCheck, "pause-newcomer-first predicate": predicate,
		"pause-stale-first none": byNothing, "pause-stale-first predicate": predicate,
	}
	for _, c := range cells {
		want, known := caught[c.Fault+" "+c.Guard]
		if !c.Met || c.BatchMax != 64 || known && c.CaughtBy != want {
			t.Errorf("%s, guard %s, groups of %d: %s, caught by %q; %q, %q", c.Fault, c.Guard, c.BatchMax, c.Words(), c.CaughtBy, c.Story, c.Wrong())
		}
	}
}

// tries returns the counts of a cell that came out the same both times.
func tries(v audit.Verdict) (t report.Tries) {
	count(&t, v)
	count(&t, v)
	return t
}

func TestAll_AreWhole(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range All {
		if f.Name == "" || f.Title == "" || len(f.Modes) == 0 || f.TTL == 0 || f.Breaks == nil ||
			(f.Schedule == nil) == (f.Disruption == nil) || seen[f.Name] {
			t.Errorf("%+v lacks something, or its name is another's", f)
		}
		seen[f.Name] = true
		for _, mode := range f.Modes {
			if f.expectation(mode, predicate) != report.Hold {
				t.Errorf("%s, %s: with guard predicate nothing may ever break", f.Name, mode)
			}
		}
	}
}

// withoutDriveTested goes by the audit's name of the invariant, which must stay the same.
func TestWithoutDriveTested(t *testing.T) {
	t.Parallel()
	all := audit.Judge(audit.Records{}).Invariants
	if got := withoutDriveTested(slices.Clone(all)); len(got) != len(all)-1 || got[0].Name != audit.NeverOversold {
		t.Errorf("%d of the audit's %d invariants are left, want one less", len(got), len(all))
	}
}

// Of many tries the first that was not as expected is reported, preferably one that is
// decided.
func TestInstead(t *testing.T) {
	t.Parallel()
	good := report.Cell{Met: true, Verdict: audit.Held}
	open, bad := report.Cell{Verdict: audit.Undecided}, report.Cell{Verdict: audit.Violated}
	for name, row := range map[string]struct {
		told, next report.Cell
		want       bool
	}{
		"the last of those that are as expected": {good, good, true},
		"the first that is not":                  {good, open, true},
		"and no later one that is":               {open, good, false},
		"but one that proves something":          {open, bad, true},
		"the first of these":                     {bad, bad, false},
		"and nothing undecided after it":         {bad, open, false},
	} {
		if got := instead(&row.told, &row.next); got != row.want {
			t.Errorf("%s: %v, want %v", name, got, row.want)
		}
	}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	const held, violated, undecided = audit.Held, audit.Violated, audit.Undecided
	for name, row := range map[string]struct {
		stock, books audit.Verdict
		expected     report.Expectation
		verdict      audit.Verdict
		met          bool
	}{
		"held as expected":                  {held, held, report.Hold, held, true},
		"held and should have broken":       {held, held, report.Break, held, false},
		"broke as expected":                 {violated, held, report.Break, violated, true},
		"broke and should have held":        {violated, held, report.Hold, violated, false},
		"broke, and the books are wrong":    {violated, violated, report.Break, violated, false},
		"broke, and nobody saw the fault":   {violated, undecided, report.Break, undecided, false},
		"broke, should have held, unseen":   {violated, undecided, report.Hold, violated, false},
		"held, and nobody saw the fault":    {held, undecided, report.Hold, undecided, false},
		"either, held":                      {held, held, report.Either, held, true},
		"either, broke":                     {violated, held, report.Either, violated, true},
		"either, and nobody saw the fault":  {held, undecided, report.Either, undecided, false},
		"held, and the books are wrong":     {held, violated, report.Hold, violated, false},
		"either, but the books are wrong":   {held, violated, report.Either, violated, false},
		"undecided whether it broke at all": {undecided, held, report.Break, undecided, false},
	} {
		c := report.Cell{Expectation: row.expected, Invariants: []audit.Invariant{{Verdict: row.stock}, {Verdict: row.books}}}
		c.Conclude()
		if c.Verdict != row.verdict || c.Met != row.met {
			t.Errorf("%s: %s, met %v; want %s, %v", name, c.Verdict, c.Met, row.verdict, row.met)
		}
	}
}
