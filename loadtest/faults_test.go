package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/fault"
	"orderd/loadtest/report"
)

func TestFaults_TellsWhatBrokeAndWhatDidNot(t *testing.T) {
	t.Parallel()
	results := t.TempDir()
	code, out, progress := lab(t, "faults", "--orderd", orderd, "--results", results, "--format", "json",
		"--only", "race", "--modes", "none", "--guards", "none,predicate")
	if code != exitHeld {
		t.Fatalf("exit %d\n%s\n%s", code, out, progress)
	}
	var r report.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, out)
	}
	if len(r.Cells) != 2 || r.Cells[0].Verdict != audit.Violated || r.Cells[0].CaughtBy != "nothing" ||
		r.Cells[1].Verdict != audit.Held || r.Cells[1].CaughtBy != "predicate" || r.Cells[0].Tries == nil {
		t.Fatalf("cells = %+v, want a race that broke, and one that the predicate held", r.Cells)
	}
	latest := filepath.Join(results, "latest")
	if code, out, _ := lab(t, "audit", latest); code != exitHeld || !strings.Contains(out, "2 of 2 cells as expected") || !strings.Contains(out, "SOLD TWICE") {
		t.Errorf("audit of the run = %d\n%s", code, out)
	}
	editHistory(t, filepath.Join(latest, "history.jsonl"))
	if code, out, _ := lab(t, "audit", latest); code != exitViolated {
		t.Errorf("audit of an edited history = %d\n%s", code, out)
	}
}

// The document describes each fault as the program does.
func TestFaults_AreTheDocumentedOnes(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/laboratory.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Count(string(page), "\n| `")
	for _, f := range fault.All {
		if row := fmt.Sprintf("\n| `%s` | %s |\n", f.Name, f.Title); !strings.Contains(string(page), row) {
			t.Errorf("docs/laboratory.md lacks the row %s", row)
		}
	}
	if rows != len(fault.All) {
		t.Errorf("docs/laboratory.md has %d rows of faults, and there are %d", rows, len(fault.All))
	}
}

func TestFaults_Flags(t *testing.T) {
	t.Parallel()
	code, out, _ := lab(t, "faults", "--list")
	if code != exitHeld || !strings.Contains(out, "pause-stale-first") {
		t.Errorf("--list = %d\n%s", code, out)
	}
	for _, args := range [][]string{{"--repeat", "0"}, {"--batch-max", "0"}, {"--only", "earthquake"}, {"--guards", "prayer"}} {
		if code, _, progress := lab(t, append([]string{"faults"}, args...)...); code != exitUsage || !strings.Contains(progress, args[0]) {
			t.Errorf("%v = %d %s, want it refused by name", args, code, progress)
		}
	}
	code, _, progress := lab(t, "faults", "--only", "zk-leader-killed", "--modes", "redis")
	if code != exitUsage || !strings.Contains(progress, "--list") {
		t.Errorf("a fault that does not concern the mode = %d %s", code, progress)
	}
}
