package report

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sell returns the records of n orders of one unit each, of which the first sold are
// confirmed, from an initial level of stock.
func sell(n, sold int, stock int64) audit.Records {
	r := audit.Records{Clients: 2, Ledger: []load.Movement{{Version: 1, Delta: stock, Reason: "created", OnHand: stock}}}
	for i := range n {
		call := time.Duration(i) * 10 * time.Millisecond
		op := load.Op{Seq: i, Quantity: 1, Outcome: load.SoldOut, Call: call, Return: call + 15*time.Millisecond, LockWait: time.Duration(i) * time.Millisecond}
		if i < sold {
			op.Outcome, op.OrderID, op.Version, op.Left = load.Confirmed, fmt.Sprintf("o%d", i), int64(i+2), stock-int64(i)-1
			r.Ledger = append(r.Ledger, load.Movement{Version: op.Version, Delta: -1, Reason: "sale", OrderID: op.OrderID, OnHand: op.Left, Token: op.Version})
		}
		r.Ops = append(r.Ops, op)
	}
	return r
}

func judged(c Cell, r audit.Records) Cell {
	c.Judge(r, 2*time.Second)
	return c
}

func example() Result {
	cell := func(lock string, replicas int, guard string, clients int, e Expectation) Cell {
		return Cell{Lock: lock, Replicas: replicas, Guard: guard, Clients: clients, Stock: 3, BatchMax: 1, Expectation: e}
	}
	alone := sell(6, 3, 3)
	alone.Clients = 1
	missing := sell(6, 3, 3)
	missing.Ledger = missing.Ledger[:3]
	r := Result{
		SchemaVersion: SchemaVersion, Command: "compare", Arguments: []string{"compare", "--stock", "3"},
		Started: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Host: Host{"linux", "amd64", 2},
		Versions: map[string]string{"Go": "go1.26"}, Config: map[string]string{"orders": "6", "work": "5ms"},
		Cells: []Cell{
			judged(cell("none", 1, "none", 2, Break), sell(6, 5, 3)),
			judged(cell("local", 3, "none", 2, Break), sell(6, 3, 3)),
			judged(cell("redis", 3, "none", 2, Hold), sell(6, 3, 3)),
			judged(cell("zookeeper", 3, "none", 2, Hold), missing),
			judged(cell("none", 3, "predicate", 2, Hold), sell(6, 3, 3)),
			judged(cell("none", 1, "none", 1, Hold), alone),
		},
	}
	r.Conclude()
	return r
}

func TestText_Golden(t *testing.T) {
	t.Parallel()
	var plain, coloured bytes.Buffer
	Text(&plain, example(), false)
	golden(t, "text.golden", plain.Bytes())
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("there are escape sequences in plain text")
	}
	Text(&coloured, example(), true)
	if !strings.Contains(coloured.String(), "\x1b[") {
		t.Error("there is no colour where it was asked for")
	}
	for line := range strings.Lines(plain.String()) {
		if n := len([]rune(line)); n > 121 && !strings.HasPrefix(line, "  ") {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
}

func TestHTML_Golden(t *testing.T) {
	t.Parallel()
	r := example()
	r.Config["sku"] = `<script>alert(1)</script>`
	_, page, err := r.Draw()
	if err != nil {
		t.Fatal(err)
	}
	// Without scripts and style, which are the same in all pages.
	own := strings.NewReplacer(pageCharts, "CHARTS", pageScript+rowsScript+timelineScript+matrixScript, "SCRIPT", pageStyle, "STYLE").Replace(string(page))
	golden(t, "page.golden.html", []byte(own))
	for _, foreign := range []string{"http://", "https://", "<script>alert", "@import", "url(", "src="} {
		if strings.Contains(own, foreign) {
			t.Errorf("the page contains %q", foreign)
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", path, got)
	}
}

func TestCell_Met(t *testing.T) {
	t.Parallel()
	clean, over, lost, idle := sell(6, 3, 3), sell(6, 5, 3), sell(6, 5, 3), sell(2, 2, 3)
	lost.Ledger = lost.Ledger[:5]
	all := sell(4, 4, 3) // and no order was refused
	for name, row := range map[string]struct {
		records audit.Records
		expect  Expectation
		verdict audit.Verdict
		met     bool
	}{
		"held as it should":                    {clean, Hold, audit.Held, true},
		"held though it should break":          {clean, Break, audit.Held, false},
		"broke as it should":                   {over, Break, audit.Violated, true},
		"broke though it should hold":          {over, Hold, audit.Violated, false},
		"broke, and nobody was refused":        {all, Break, audit.Violated, true},
		"either, and held":                     {clean, Either, audit.Held, true},
		"either, and broke":                    {over, Either, audit.Violated, true},
		"broke, but an order is lost too":      {lost, Break, audit.Violated, false},
		"the stock never ran out":              {idle, Hold, audit.Undecided, false},
		"the stock never ran out, either will": {idle, Either, audit.Undecided, false},
	} {
		if c := judged(Cell{Expectation: row.expect}, row.records); c.Verdict != row.verdict || c.Met != row.met {
			t.Errorf("%s: %s, met %v; want %s, %v", name, c.Verdict, c.Met, row.verdict, row.met)
		}
	}
}

// Wrong books are no oversell, and are not reported as one.
func TestCell_WrongIsNotOversold(t *testing.T) {
	t.Parallel()
	lost := sell(6, 3, 3)
	lost.Ledger = lost.Ledger[:3]
	c := judged(Cell{Lock: "redis", Guard: "predicate", Fault: "pause", Clients: 2, Expectation: Hold}, lost)
	c.Tries = &Tries{Held: 1, Violated: 1}
	if c.Verdict != audit.Violated || c.Oversell() || c.CaughtBy == "nothing" || c.plain() != "wrong" {
		t.Errorf("%+v: %s, want violated books, and no oversell", c, c.plain())
	}
	if story := faultStory([]Cell{c}); !strings.Contains(story[0], "with guard predicate 0 of 1") {
		t.Errorf("%q, want no cell that sold too much", story)
	}
	if words, _ := Summary([]Cell{c}); strings.Contains(words, "SOLD") {
		t.Errorf("%q, want nothing sold twice", words)
	}
}

// All attempts with one key count as one order.
func TestCell_CountsOrdersAndNotAttempts(t *testing.T) {
	t.Parallel()
	r := sell(6, 3, 3)
	again := r.Ops[0]
	again.Key, r.Ops[0].Key = "k", "k"
	again.Seq, again.Call, again.Return = 6, 100*time.Millisecond, 101*time.Millisecond
	r.Ops = append(r.Ops, again)
	if c := judged(Cell{Expectation: Hold}, r); c.Orders.Confirmed != 3 || c.OrdersPerSecond != 3 {
		t.Errorf("%+v, %v/s; want 3 confirmed of 6 decided in 2 s", c.Orders, c.OrdersPerSecond)
	}
}

func TestResult_Conclude(t *testing.T) {
	t.Parallel()
	good, bad, open := Cell{Met: true, Verdict: audit.Violated}, Cell{Verdict: audit.Held}, Cell{Verdict: audit.Undecided}
	for want, cells := range map[audit.Verdict][][]Cell{
		audit.Held:      {{good}, {good, good}},
		audit.Undecided: {{good, open}, {open}, {}},
		audit.Violated:  {{good, bad}, {bad, open}, {open, bad}},
	} {
		for _, c := range cells {
			r := Result{Cells: c}
			if r.Conclude(); r.Verdict != want {
				t.Errorf("%+v concludes %s, want %s", c, r.Verdict, want)
			}
		}
	}
}

func TestFolder_HoldsEverything(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f, err := NewFolder(root, "compare", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	want, records := example(), []audit.Records{sell(6, 5, 3), sell(4, 1, 1)}
	if _, err := OpenFolder(filepath.Join(root, "latest")); err == nil {
		t.Error("latest points at a run that is not finished")
	}
	if err := f.Finish(want, records); err != nil {
		t.Fatal(err)
	}
	latest, err := OpenFolder(filepath.Join(root, "latest"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Read[Result](latest); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Read = %+v, %v; want what was written", got, err)
	}
	got, err := latest.ReadHistory(2)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Clients = records[i].Clients // the cell has it
	}
	if !reflect.DeepEqual(got, records) {
		t.Errorf("ReadHistory = %+v, want what was written", got)
	}
	if _, err := OpenFolder(root); err == nil {
		t.Error("OpenFolder of a folder without a run = nil")
	}
	if _, err := latest.ReadHistory(1); err == nil {
		t.Error("ReadHistory of a record of no cell = nil")
	}
}
