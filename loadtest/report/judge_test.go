package report

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// raced returns the records of two orders for one unit under a fault: both got it, or only
// one.
func raced(both bool) audit.Records {
	r := audit.Records{Clients: 2, Ledger: []load.Movement{
		{Version: 1, Delta: 1, Reason: "created", OnHand: 1},
		{Version: 2, Delta: -1, Reason: "sale", OrderID: "x", Token: 34, Replica: "r2"},
	}, Ops: []load.Op{
		{Seq: 0, Quantity: 1, Outcome: load.SoldOut, Replica: "r1", Call: 10 * time.Millisecond, Return: 1700 * time.Millisecond},
		{Seq: 1, Quantity: 1, Outcome: load.Confirmed, OrderID: "x", Version: 2, Replica: "r2", Call: 200 * time.Millisecond, Return: 1400 * time.Millisecond},
	}}
	if both {
		r.Ops[0].Outcome, r.Ops[0].OrderID, r.Ops[0].Version, r.Ops[0].Left = load.Confirmed, "y", 3, -1
		r.Ledger = append(r.Ledger, load.Movement{Version: 3, Delta: -1, Reason: "sale", OrderID: "y", OnHand: -1, Token: 33, Replica: "r1"})
	}
	return r
}

// paused is the timeline of a holder that was stopped past its lease.
func paused() *Timeline {
	return &Timeline{Lanes: []string{"r1", "r2"}, Spans: []Span{
		{Lane: "r1", Kind: Holds, From: 15, To: 1015, Token: 33}, {Lane: "r1", Kind: Paused, From: 100, To: 1500},
		{Lane: "r1", Kind: Expired, From: 1015, To: 1650, Token: 33},
		{Lane: "r2", Kind: Waits, From: 205, To: 1020}, {Lane: "r2", Kind: Holds, From: 1020, To: 1390, Token: 34},
	}}
}

func TestCell_JudgesAFault(t *testing.T) {
	t.Parallel()
	cell := func(e Expectation, guard string, tries Tries) Cell {
		return Cell{
			Lock: "redis", Fault: "holder paused", Guard: guard, Clients: 2, Expectation: e, Tries: &tries, Timeline: paused(),
			CaughtBy: "as seen", Story: []string{"as told"},
		}
	}
	for name, row := range map[string]struct {
		cell    Cell
		both    bool
		verdict audit.Verdict
		met     bool
	}{
		"broke as it had to":          {cell(Break, "none", Tries{Violated: 20}), true, audit.Violated, true},
		"broke in all tries but one":  {cell(Break, "none", Tries{Violated: 19, Held: 1}), true, audit.Violated, false},
		"held, caught by the guard":   {cell(Hold, "claim", Tries{Held: 20}), false, audit.Held, true},
		"held in all tries but one":   {cell(Hold, "claim", Tries{Held: 19, Undecided: 1}), false, audit.Held, false},
		"either, and it did both":     {cell(Either, "none", Tries{Held: 9, Violated: 11}), false, audit.Held, true},
		"held, by the lease's check":  {cell(Hold, "none", Tries{Held: 20}), false, audit.Held, true},
		"broke where it had to hold":  {cell(Hold, "claim", Tries{Violated: 20}), true, audit.Violated, false},
		"held where it had to break":  {cell(Break, "none", Tries{Held: 20}), false, audit.Held, false},
		"either, and one is not told": {cell(Either, "none", Tries{Held: 19, Undecided: 1}), false, audit.Held, false},
	} {
		c := row.cell
		c.Judge(raced(row.both), 2*time.Second)
		if c.Verdict != row.verdict || c.Met != row.met {
			t.Errorf("%s: %s, met %v; want %s, %v: %+v", name, c.Verdict, c.Met, row.verdict, row.met, c.Invariants)
		}
		if c.CaughtBy != "as seen" || !slices.Equal(c.Story, []string{"as told"}) {
			t.Errorf("%s: caught by %q, story %q; want what the fault's maker saw", name, c.CaughtBy, c.Story)
		}
	}
	// Two critical sections overlapped, which is reported.
	c := cell(Hold, "none", Tries{Held: 20})
	if c.Judge(raced(false), time.Second); len(c.Counted) != 3 || c.Counted[1].Verdict != audit.Violated {
		t.Errorf("Counted = %+v, want the tokens, and the two holders", c.Counted)
	}
	// Without a pause in it, the timeline does not show that the fault fired.
	c = cell(Hold, "claim", Tries{Held: 20})
	c.Timeline.Spans = slices.Delete(c.Timeline.Spans, 1, 2)
	if c.Judge(raced(false), time.Second); c.Verdict != audit.Undecided || c.Met {
		t.Errorf("a fault that was not seen = %s, met %v; want undecided", c.Verdict, c.Met)
	}
}

// Without a fault and a guard, only the lock can hold.
func TestCell_TheLockAloneMustHold(t *testing.T) {
	t.Parallel()
	r := sell(6, 3, 3)
	r.Ledger[2].Token, r.Ledger[3].Token = 9, 8
	if c := judged(Cell{Expectation: Hold, Guard: "none", Clients: 2}, r); c.Met || c.Words() != "TWO HELD THE LOCK" || len(c.Wrong()) != 1 {
		t.Errorf("%s, met %v, %q; want that two held the lock", c.Words(), c.Met, c.Wrong())
	}
	if c := judged(Cell{Expectation: Hold, Guard: "predicate", Clients: 2}, r); !c.Met || len(c.Counted) != 1 {
		t.Errorf("%s, met %v, counted %+v; want it only counted", c.Words(), c.Met, c.Counted)
	}
}

func TestTimeline_Leases(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }
	want := []audit.Lease{
		{Replica: "r1", Token: 33, Asked: at(15), Entered: at(15), Left: at(1650)},
		{Replica: "r2", Token: 34, Asked: at(205), Entered: at(1020), Left: at(1390)},
	}
	if got := paused().leases(); !reflect.DeepEqual(got, want) {
		t.Errorf("leases = %+v, want %+v", got, want)
	}
}

// An oversell without a fault is explained from the records.
func TestCell_TellsWhoTookTheSameUnit(t *testing.T) {
	t.Parallel()
	if c := judged(Cell{Expectation: Break}, sell(6, 5, 3)); len(c.Story) < 2 {
		t.Errorf("Story = %q, want the two orders that took one unit", c.Story)
	}
	if c := judged(Cell{Expectation: Hold}, sell(6, 3, 3)); c.Story != nil {
		t.Errorf("Story = %q of a drive that held, want none", c.Story)
	}
}

func TestHistogram_Buckets(t *testing.T) {
	t.Parallel()
	h := newHistogram()
	for _, us := range []int{900, 1000, 1001, 1200, 1258, 1300, 50_000} {
		h.add(time.Duration(us) * time.Microsecond)
	}
	want := []Bucket{{1, 2}, {1.2589, 3}, {1.5849, 1}, {50.1187, 1}}
	if got := h.buckets(); !slices.Equal(got, want) {
		t.Errorf("buckets = %v, want %v", got, want)
	}
}

func TestFolder_KeepsAllRecords(t *testing.T) {
	t.Parallel()
	f, err := NewFolder(t.TempDir(), "faults", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := sell(6, 3, 3)
	r.Clients = 0 // the cell has it
	r.Leases = []audit.Lease{{Key: "A", Replica: "r1", Token: 3, Asked: 1, Entered: 2, Left: 3}}
	r.Placed = []audit.Placed{{ID: "o1", Client: "c", Key: "k"}}
	r.Levels = []audit.Level{{SKU: "A", OnHand: 1, Version: 2, Quick: &audit.Quick{OnHand: 1, Version: 2}}, {SKU: "B"}}
	r.Left = &audit.Left{Looked: []string{"Postgres"}, Held: []string{"lock:A"}}
	r.Fault = &audit.Fault{Name: "cut", Fired: true, Healed: new(time.Second)}
	r.Probes = []load.Op{{Client: 2, Outcome: load.Busy}}
	r.Ops[0].Lines, r.Ops[0].Key = []load.Line{{SKU: "A", Quantity: 1, Left: 2, Version: 2}}, "k"
	want := []audit.Records{{}, r}
	if err := f.Finish(example(), want); err != nil {
		t.Fatal(err)
	}
	if got, err := f.ReadHistory(2); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadHistory = %+v, %v; want what was written", got, err)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	m := newMatrix(faults(t).Cells, faults(t).Faults)
	if !slices.Equal(m.Locks, []string{"none", "local", "redis", "redis-sentinel", "redlock", "zookeeper", "postgres"}) ||
		len(m.Faults) != 5 || m.Least != 20 || m.Most != 20 || len(m.Wrong) != 2 {
		t.Errorf("matrix of locks %v, %d faults, %d to %d tries, %d wrong", m.Locks, len(m.Faults), m.Least, m.Most, len(m.Wrong))
	}
	row := m.Faults[1].Rows[1] // holder paused, newcomer first; guard fence
	if row.Guard != "fence" || len(row.Cells) != 7 || len(row.Cells[0]) != 0 {
		t.Fatalf("row = %+v", row)
	}
	if got := row.Cells[2][0]; got.Look != "good" || got.Sign != "✓" || got.Word != "held" || got.More != "fence" {
		t.Errorf("mark = %+v, want held by the fence", got)
	}
	cut := m.Faults[3].Rows[0].Cells[5][0] // zookeeper, guard none: one of twenty oversold
	if cut.Look != "wrong" || cut.More != "NOT EXPECTED · 1 of 20" || len(cut.Why) == 0 {
		t.Errorf("mark = %+v, want it not expected, and why", cut)
	}
	if open := m.Faults[4].Rows[3].Cells[3][0]; open.Look != "open" || open.More != "2 of 20" {
		t.Errorf("mark = %+v, want it undecided", open)
	}
	if newMatrix(example().Cells, nil) != nil {
		t.Error("drives without a fault have a matrix")
	}
}
