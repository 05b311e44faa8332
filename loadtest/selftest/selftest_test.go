package selftest

import (
	"reflect"
	"testing"

	"orderd/loadtest/audit"
)

func TestRun_CatchesEveryBugAndPassesTheCleanShop(t *testing.T) {
	t.Parallel()
	findings, err := Run(t.Context(), 1, 60)
	if err != nil || len(findings) != len(trials)+1 {
		t.Fatalf("Run = %d findings, %v", len(findings), err)
	}
	for _, f := range findings {
		if f.Verdict != audit.Held {
			t.Errorf("%s: struck %d, caught %d: %s", f.Bug, f.Struck, f.Caught, f.Evidence)
		}
	}
}

// Other invariants name these bugs, but that they oversell is why they matter.
func TestOpen_BugsOfTheLockOversellToo(t *testing.T) {
	t.Parallel()
	for _, bug := range []Bug{GrantsTwice, DeletesAnothers, ForgetsTheCopy} {
		oversold := 0
		for seed := range uint64(60) {
			records, _ := open(seed, bug)
			if j := audit.Judge(records); j.Oversold > 0 {
				oversold++
				if len(j.Trace) < 2 {
					t.Errorf("%s, seed %d: oversold, and the trace is %q", bug, seed, j.Trace)
				}
			}
		}
		if oversold == 0 {
			t.Errorf("%s never oversold", bug)
		}
	}
}

func TestOpen_IsDeterministic(t *testing.T) {
	t.Parallel()
	one, _ := open(7, GrantsTwice)
	again, _ := open(7, GrantsTwice)
	other, _ := open(8, GrantsTwice)
	if !reflect.DeepEqual(one, again) {
		t.Error("one seed gave two histories")
	}
	if reflect.DeepEqual(one, other) {
		t.Error("two seeds gave one history")
	}
}

// A bug that the audit misses, or that never makes a difference, does not pass.
func TestFinding_Conclude(t *testing.T) {
	t.Parallel()
	for want, f := range map[audit.Verdict]Finding{
		audit.Held:      {Struck: 3, Caught: 3},
		audit.Violated:  {Struck: 3, Caught: 2},
		audit.Undecided: {},
	} {
		if f.conclude(); f.Verdict != want {
			t.Errorf("%+v, want %s", f, want)
		}
	}
	blind := trial{bug: SellsOneMore, must: audit.OncePerKey}
	var f Finding
	for seed := range uint64(5) {
		blind.try(&f, seed)
	}
	if f.conclude(); f.Verdict != audit.Violated || f.Struck == 0 || f.Caught != 0 {
		t.Errorf("a bug that another invariant names = %+v, want it not caught", f)
	}
}
