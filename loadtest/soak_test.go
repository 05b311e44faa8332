package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/report"
)

func TestSoak_FindsNothingLostNothingTwiceAndNothingGrowing(t *testing.T) { // not in parallel: no order may be late
	results := t.TempDir()
	code, out, progress := lab(t, "soak", "--orderd", orderd, "--results", results, "--format", "json",
		"--lasts", "5s", "--modes", "redis", "--rate", "150")
	if code != exitHeld {
		t.Fatalf("exit %d\n%s\n%s", code, out, progress)
	}
	var r report.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, out)
	}
	for _, c := range r.Cells {
		for what, n := range map[string]int{
			"requests of each kind": least(c.Soak.Sent), "strikes of each kind": least(c.Soak.Done),
			"kinds of requests": len(c.Soak.Sent) - 7, "kinds of strikes": len(c.Soak.Done) - 4,
		} {
			if n < 1 {
				t.Errorf("%s: too few %s: %v, %v", c.Lock, what, c.Soak.Sent, c.Soak.Done)
			}
		}
		if h := c.Soak.After; h.Goroutines == 0 || h.Postgres == 0 || h.Redis == 0 || h.HeapMiB == 0 {
			t.Errorf("%s: %+v, want what the first replica holds", c.Lock, h)
		}
	}
	latest := filepath.Join(results, "latest")
	if code, out, _ := lab(t, "audit", latest); code != exitHeld || !strings.Contains(out, "1 of 1 rows as expected") {
		t.Errorf("audit of the run = %d\n%s", code, out)
	}
	history := filepath.Join(latest, "history.jsonl")
	text, err := os.ReadFile(history)
	if err != nil {
		t.Fatal(err)
	}
	const restocked = `"reason":"restock_` // the last one is in the ledger, which follows the requests
	at := bytes.LastIndex(text, []byte(restocked))
	if at < 0 {
		t.Fatal("the history has no restock")
	}
	if err := os.WriteFile(history, slices.Concat(text[:at], []byte(restocked+"x"), text[at+len(restocked):]), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := lab(t, "audit", latest); code != exitViolated || !strings.Contains(out, "somebody else changed the SKU") {
		t.Errorf("audit of a history with a restock that nobody asked for = %d\n%s", code, out)
	}
}

func least(counts map[string]int) int {
	n := 1 << 30
	for _, count := range counts {
		n = min(n, count)
	}
	return n
}

func TestSoak_Flags(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--lasts", "1s"}, {"--rate", "0"}, {"--rate", "1e6"}, {"--modes", "hope"}} {
		if code, _, progress := lab(t, append([]string{"soak"}, args...)...); code != exitUsage || !strings.Contains(progress, args[0]) {
			t.Errorf("%v = %d %s, want it refused by name", args, code, progress)
		}
	}
}

// An invariant that was seen violated during the run stays so in a second audit.
func TestSoak_AuditKeepsWhatWasSeen(t *testing.T) {
	t.Parallel()
	c := report.Cell{Expectation: report.Hold, Fault: report.SoakCommand, Invariants: []audit.Invariant{
		{Name: "memory is as much as before", Verdict: audit.Violated, Evidence: "live 4 MiB, then 400"},
	}}
	if again(report.SoakCommand, &c, audit.Records{}); c.Met || len(c.Invariants) < 2 {
		t.Errorf("after the second audit: met %v, %+v", c.Met, c.Invariants)
	}
}
