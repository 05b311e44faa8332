package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A run of the fault laboratory is judged and drawn again like any other.
func TestAuditAndReport_OfFaults(t *testing.T) {
	t.Parallel()
	cell := report.Cell{
		Lock: "redis", Replicas: 2, Guard: "none", Clients: 2, Stock: 1, Fault: "holder paused", Expectation: report.Break, Verdict: audit.Violated,
		CaughtBy: "nothing", Tries: &report.Tries{Violated: 20}, Timeline: &report.Timeline{
			Lanes: []string{"r1", "r2"},
			Spans: []report.Span{
				{Lane: "r1", Kind: report.Holds, From: 1, To: 40, Token: 1}, {Lane: "r1", Kind: report.Paused, From: 2, To: 30},
				{Lane: "r2", Kind: report.Holds, From: 10, To: 20, Token: 2},
			},
		},
	}
	sale := func(version, left int64, order string) load.Movement {
		return load.Movement{Version: version, Delta: -1, OnHand: left, Reason: "sale", OrderID: order}
	}
	op := func(seq int, version, left int64, order string) load.Op {
		return load.Op{Seq: seq, Quantity: 1, Outcome: load.Confirmed, OrderID: order, Version: version, Left: left, Call: 1, Return: 40e6}
	}
	records := audit.Records{
		Ops:    []load.Op{op(0, 2, 0, "x"), op(1, 3, -1, "y")},
		Ledger: []load.Movement{{Version: 1, Delta: 1, OnHand: 1, Reason: "created"}, sale(2, 0, "x"), sale(3, -1, "y")},
	}
	results := t.TempDir()
	folder, err := report.NewFolder(results, "faults", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := report.Result{SchemaVersion: report.SchemaVersion, Command: "faults", Cells: []report.Cell{cell}}
	if err := folder.Finish(r, []audit.Records{records}); err != nil {
		t.Fatal(err)
	}
	latest := filepath.Join(results, "latest")
	code, out, _ := lab(t, "audit", latest, "--format", "json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitHeld || !r.Cells[0].Met || r.Cells[0].CaughtBy != "nothing" || r.Cells[0].Oversold != 1 {
		t.Errorf("audit = %d, %v\n%s", code, err, out)
	}
	if code, out, progress := lab(t, "report", latest); code != exitHeld || !strings.Contains(out, "report.html") {
		t.Errorf("report = %d %s %s", code, out, progress)
	}
	editHistory(t, filepath.Join(latest, "history.jsonl"))
	if code, out, _ := lab(t, "audit", latest); code != exitViolated {
		t.Errorf("audit of an edited history = %d\n%s", code, out)
	}
	if code, _, progress := lab(t, "report", latest, "--markdown", filepath.Join(results, "page.md")); code != exitUsage || !strings.Contains(progress, "--markdown") {
		t.Errorf("report --markdown of faults = %d %s, want it refused by name", code, progress)
	}
}

// What was decided by records that are gone is undecided, and not as expected.
func TestAudit_OfARunWhoseRecordsAreGone(t *testing.T) {
	t.Parallel()
	records := audit.Records{
		Clients: 1, Left: &audit.Left{Looked: []string{"Postgres"}},
		Ops: []load.Op{
			{Quantity: 1, Outcome: load.Confirmed, OrderID: "x", Version: 2, Return: 5},
			{Seq: 1, Quantity: 1, Outcome: load.SoldOut, Call: 6, Return: 9},
		},
		Ledger: []load.Movement{
			{Version: 1, Delta: 1, OnHand: 1, Reason: "created"}, {Version: 2, Delta: -1, Reason: "sale", OrderID: "x"},
		},
	}
	cell := report.Cell{Lock: "none", Guard: "predicate", Clients: 1, Expectation: report.Hold}
	cell.Judge(records, time.Second)
	if !cell.Met {
		t.Fatalf("%+v, want it as expected", cell)
	}
	records.Left = nil
	results := t.TempDir()
	folder, err := report.NewFolder(results, "compare", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := report.Result{SchemaVersion: report.SchemaVersion, Command: "compare", Cells: []report.Cell{cell}}
	if err := folder.Finish(r, []audit.Records{records}); err != nil {
		t.Fatal(err)
	}
	code, out, _ := lab(t, "audit", filepath.Join(results, "latest"))
	if code != exitUndecided || !strings.Contains(out, audit.NothingHeld) {
		t.Errorf("audit = %d, want it undecided whether anything is left behind\n%s", code, out)
	}
}
