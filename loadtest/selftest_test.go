package main

import (
	"encoding/json"
	"strings"
	"testing"

	"orderd/loadtest/audit"
)

func TestSelftest_CatchesEveryBug(t *testing.T) {
	t.Parallel()
	code, out, progress := lab(t, "selftest", "--seeds", "40")
	if code != exitHeld || strings.Count(out, "✓ caught") != 35 || strings.Count(out, "✓ passed") != 1 {
		t.Errorf("selftest = %d\n%s\n%s", code, out, progress)
	}
	code, out, _ = lab(t, "selftest", "--seeds", "1", "--seed", "4", "--format", "json")
	var r selftestResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Verdict == audit.Violated || len(r.Bugs) != 36 || r.Bugs[0].Caught != 1 {
		t.Errorf("selftest as JSON = %d, %v\n%s", code, err, out)
	}
}
