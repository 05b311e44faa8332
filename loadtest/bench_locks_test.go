package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench/locks"
)

// Every contender takes real turns here; their speed does not matter for a test.
func TestBenchLocks_EveryContenderTakesTurns(t *testing.T) { // not in parallel: each has only a moment, and its own limits
	results := t.TempDir()
	code, out, progress := lab(t, "bench", "locks", "--rounds", "1", "--window", "500ms", "--processes", "2", "--waiters", "2",
		"--holds", "2ms", "--results", results, "--format", "json")
	if code != exitHeld && code != exitViolated {
		t.Fatalf("exit %d\n%s\n%s", code, out, progress)
	}
	var r benchResult
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, out)
	}
	if (r.Verdict == audit.Held) != (code == exitHeld) || r.Command != "bench locks" {
		t.Errorf("exit %d for %s and verdict %s", code, r.Command, r.Verdict)
	}
	if want := 2 * len(locks.Contenders); len(r.Locks.Cells) != want {
		t.Fatalf("%d cells, want %d", len(r.Locks.Cells), want)
	}
	for _, c := range r.Locks.Cells {
		m := c.Median
		// Libraries may fail, which is reported.
		if m.TurnsPerSecond == 0 || c.Mode && m.Failures > 0 || m.Wait.Longest < m.Wait.P50 {
			t.Errorf("%s, %s: %+v, want turns and, of our own, no errors", c.Contender, c.Setting, m)
		}
		// Two processes with a local lock each are what the referee is for.
		if apart := c.OneProcess && c.Processes > 1; (m.Overlaps > 0) != apart {
			t.Errorf("%s, %s: %d turns beside another's", c.Contender, c.Setting, m.Overlaps)
		}
	}
	if r.Locks.RoundTrips["redis"] == 0 || r.Locks.RoundTrips["zookeeper"] == 0 || len(r.Locks.Goals) != 7 {
		t.Errorf("round trips %v, goals %+v", r.Locks.RoundTrips, r.Locks.Goals)
	}
	if !strings.HasPrefix(r.Versions["github.com/go-redsync/redsync/v4"], "v4.") {
		t.Errorf("versions %v lack the libraries'", r.Versions)
	}

	latest := filepath.Join(results, "latest")
	for _, file := range []string{"result.json", "report.txt", "report.html", "logs/locks/redis.log"} {
		if info, err := os.Stat(filepath.Join(latest, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it there and not empty", file, err)
		}
	}
	if code, _, progress := lab(t, "audit", latest); code != exitFailed || !strings.Contains(progress, "bench locks") {
		t.Errorf("audit of a benchmark = %d %s, want 4 and why", code, progress)
	}
}
