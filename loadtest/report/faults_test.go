package report

import (
	"strings"
	"testing"

	"orderd/loadtest/audit"
)

func faultCell(fault, lock, guard string, v audit.Verdict, met bool, caught string) Cell {
	return Cell{
		Fault: fault, Lock: lock, Guard: guard, Verdict: v, Met: met, CaughtBy: caught, Story: []string{"It went so."},
		Invariants: []audit.Invariant{{Name: audit.NeverOversold, Verdict: v}}, Tries: &Tries{Held: 1, Undecided: 1},
	}
}

func TestFaultsText(t *testing.T) {
	t.Parallel()
	r := Result{Command: FaultsCommand, Cells: []Cell{
		faultCell("race", "none", "none", audit.Violated, true, "nothing"),
		faultCell("race", "none", "predicate", audit.Held, true, "predicate"),
		faultCell("race", "redis", "none", audit.Held, true, "lock"),
		faultCell("race", "redis", "predicate", audit.Held, true, "lock"),
		faultCell("pause", "redis", "none", audit.Undecided, false, ""),
		faultCell("pause", "redis", "predicate", audit.Held, true, "lock"),
	}}
	r.Conclude()
	for _, colours := range []bool{false, true} {
		var b strings.Builder
		Text(&b, r, colours)
		for _, want := range []string{
			"SOLD TWICE:", "held:", "NOT AS EXPECTED:", "pause, redis, guard none: undecided: NOT EXPECTED (1 held, 0 violated, 1 undecided)",
			"How, for example (race, none, guard none):", "5 of 6 cells as expected; the others are undecided.",
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("colours %v: %q is missing in\n%s", colours, want, b.String())
			}
		}
		if strings.Contains(b.String(), "\x1b[") != colours {
			t.Errorf("colours %v:\n%s", colours, b.String())
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	for want, cells := range map[string][]Cell{
		"-":                        nil,
		"held":                     {faultCell("f", "m", "none", audit.Held, true, "")},
		"held:\nlease check":       {faultCell("f", "m", "none", audit.Held, true, "lease check"), faultCell("f", "m", "fence", audit.Held, true, "fence")},
		"SOLD TWICE:\nnone, fence": {faultCell("f", "m", "none", audit.Violated, true, "nothing"), faultCell("f", "m", "fence", audit.Violated, true, "nothing")},
		"NOT AS EXPECTED:\nfence":  {faultCell("f", "m", "none", audit.Violated, true, "nothing"), faultCell("f", "m", "fence", audit.Held, false, "lock")},
	} {
		if got, met := Summary(cells); got != want || met == strings.HasPrefix(want, "NOT") {
			t.Errorf("Summary = %q, %v; want %q", got, met, want)
		}
	}
}
