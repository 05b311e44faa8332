package main

import (
	"encoding/json"
	"testing"

	"orderd/loadtest/audit"
)

// Far more orders come than orderd admits: all that are refused are answered so, and all that
// are admitted are placed. Speed does not matter for a test, nor how many connections the
// machine can open.
func TestBenchOverload_NobodyIsLeftWithoutAnAnswer(t *testing.T) { // not in parallel: it takes all the machine has
	code, out, progress := lab(t, "bench", "overload", "--orderd", orderd, "--rounds", "1", "--window", "1s", "--results", t.TempDir(), "--format", "json")
	if code != exitHeld && code != exitViolated {
		t.Fatalf("exit %d\n%s\n%s", code, out, progress)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, out)
	}
	if (r.Verdict == audit.Held) != (code == exitHeld) || len(r.Overload.Table) != 4 {
		t.Errorf("exit %d for verdict %s on %d bounds", code, r.Verdict, len(r.Overload.Table))
	}
	for _, o := range r.Overload.Table {
		if below := o.BelowIt; below.Confirmed == 0 || below.Others > 0 || len(below.Violations) > 0 {
			t.Errorf("%s, below it: %+v", o.Name, below)
		}
		if over := o.OverIt; over.Confirmed == 0 || over.Others > 0 || len(over.Violations) > 0 {
			t.Errorf("%s, beyond it: %+v", o.Name, over)
		}
	}
}
