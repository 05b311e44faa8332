package audit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// clean returns the records of a drive without a fault: three units, five orders of two
// clients, the last two refused.
func clean() audit.Records {
	r := audit.Records{Clients: 2, Ledger: []load.Movement{{Version: 1, Delta: 3, Reason: "created", OnHand: 3}}}
	for i := range 5 {
		op := load.Op{
			Seq: i, Quantity: 1, Outcome: load.SoldOut, Status: 409,
			Call: at(i * 10), Return: at(i*10 + 15), // each overlaps the next
		}
		if i < 3 {
			op.Outcome, op.Status = load.Confirmed, 201
			op.OrderID, op.Version, op.Left = fmt.Sprintf("order-%d", i), int64(i+2), int64(2-i)
			r.Ledger = append(r.Ledger, load.Movement{
				Version: op.Version, Delta: -1, Reason: "sale", OrderID: op.OrderID, OnHand: op.Left,
			})
		}
		r.Ops = append(r.Ops, op)
	}
	return r
}

func at(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }

func TestJudge_PassesACleanDrive(t *testing.T) {
	t.Parallel()
	j := audit.Judge(clean())
	if j.Stock() != audit.Held || j.Books() != audit.Held || j.Oversold != 0 || j.Undersold != 0 {
		t.Errorf("Judge = %+v, want all held", j)
	}
}

// Each row is a bug that orderd or its database could have; the audit must
// name the invariant that it breaks.
func TestJudge_CatchesSeededBugs(t *testing.T) {
	t.Parallel()
	const (
		oversold = audit.NeverOversold
		adds     = audit.AddsUp
		written  = audit.ConfirmedExist
		ordered  = audit.SalesWereAsked
		refusals = audit.RefusalsTrue
		realTime = audit.RealTime
		tested   = audit.PutToTheTest
	)
	for name, row := range map[string]struct {
		seed func(r *audit.Records)
		want string // the name of the invariant
		as   audit.Verdict
	}{
		"a unit sold twice": {func(r *audit.Records) {
			r.Ledger = append(r.Ledger, load.Movement{Version: 5, Delta: -1, Reason: "sale", OrderID: "order-3", OnHand: -1})
			r.Ops[3].Outcome, r.Ops[3].OrderID, r.Ops[3].Version, r.Ops[3].Left = load.Confirmed, "order-3", 5, -1
		}, oversold, audit.Violated},
		"an oversell that a restock hid": {func(r *audit.Records) {
			r.Ledger[3].OnHand, r.Ledger[3].Delta = -1, -2
			r.Ledger = append(r.Ledger, load.Movement{Version: 5, Delta: 1, Reason: "restock", OnHand: 0})
		}, oversold, audit.Violated},
		"most orders failed": {func(r *audit.Records) {
			for i := range 10 {
				r.Ops = append(r.Ops, load.Op{Seq: 5 + i, Quantity: 1, Outcome: load.Failed, Code: "unavailable", Call: at(60 + i), Return: at(62 + i)})
			}
		}, tested, audit.Undecided},
		"a bug":                       {func(r *audit.Records) { r.Ops[4].Code = "internal" }, audit.NoneBroken, audit.Violated},
		"it began with another level": {func(r *audit.Records) { r.Starts = []audit.Start{{OnHand: 2}} }, adds, audit.Violated},
		"the row is behind":           {func(r *audit.Records) { r.Levels = []audit.Level{{OnHand: 1, Version: 3}} }, adds, audit.Violated},
		"no ledger":                   {func(r *audit.Records) { r.Ledger = nil }, oversold, audit.Undecided},
		"a version is missing":        {func(r *audit.Records) { r.Ledger[2].Version = 4 }, adds, audit.Violated},
		"a level is off by one":       {func(r *audit.Records) { r.Ledger[2].OnHand++ }, adds, audit.Violated},
		"a confirmed order lost":      {func(r *audit.Records) { r.Ledger = r.Ledger[:3] }, written, audit.Violated},
		"a confirmed order has no id": {func(r *audit.Records) {
			r.Ops[0].OrderID = ""
		}, written, audit.Violated},
		"an order written twice":        {func(r *audit.Records) { r.Ledger[2].OrderID = "order-0" }, written, audit.Violated},
		"two answers for one order":     {func(r *audit.Records) { r.Ops[1] = r.Ops[0] }, written, audit.Violated},
		"another remaining than told":   {func(r *audit.Records) { r.Ops[1].Left = 2 }, written, audit.Violated},
		"another version than told":     {func(r *audit.Records) { r.Ops[1].Version = 9 }, written, audit.Violated},
		"more units taken than ordered": {func(r *audit.Records) { r.Ops[1].Quantity = 2 }, written, audit.Violated},
		"a sale nobody ordered": {func(r *audit.Records) {
			r.Ops[2].Outcome = load.Busy
		}, ordered, audit.Violated},
		"somebody else restocked": {func(r *audit.Records) {
			r.Ledger = append(r.Ledger, load.Movement{Version: 5, Delta: 1, Reason: "restock", OnHand: 1})
		}, ordered, audit.Violated},
		"refused while there was plenty": {func(r *audit.Records) {
			for i := range r.Ops { // all others come later, by more than TruthAge
				r.Ops[i].Call, r.Ops[i].Return = r.Ops[i].Call+at(500), r.Ops[i].Return+at(500)
			}
			r.Ops[4].Call, r.Ops[4].Return = at(0), at(10)
		}, refusals, audit.Violated},
		"refused before the order that emptied it could follow another": {func(r *audit.Records) {
			for i, call := range []int{0, 300, 10} { // the third could only be placed after the second
				r.Ops[i].Call, r.Ops[i].Return = at(call), at(400)
			}
			r.Ops[3].Call, r.Ops[3].Return = at(0), at(20)
			r.Ops[4].Call, r.Ops[4].Return = at(380), at(390)
		}, refusals, audit.Violated},
		"a later sale answered before an earlier was sent": {func(r *audit.Records) {
			r.Ops[0].Call, r.Ops[0].Return = at(80), at(90)
		}, realTime, audit.Violated},
		"one in the middle answered before an earlier was sent": {func(r *audit.Records) {
			r.Ops[0].Call, r.Ops[0].Return = at(80), at(90)
			r.Ops[2].Return = at(500)
		}, realTime, audit.Violated},
		"each order was sent as another was answered": {func(r *audit.Records) {
			for i := range r.Ops {
				r.Ops[i].Return = at(i*10 + 10)
			}
			slices.Reverse(r.Ops)
		}, tested, audit.Undecided},
		"nothing was sold":        {func(r *audit.Records) { r.Ops = r.Ops[3:] }, tested, audit.Undecided},
		"the stock never ran out": {func(r *audit.Records) { r.Ops = r.Ops[:3] }, tested, audit.Undecided},
		"no two orders met": {func(r *audit.Records) {
			for i := range r.Ops {
				r.Ops[i].Return = r.Ops[i].Call + 1
			}
		}, tested, audit.Undecided},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := clean()
			row.seed(&r)
			j := audit.Judge(r)
			if got := named(j, row.want); got.Verdict != row.as || got.Evidence == "" {
				t.Errorf("%q = %s (%s), want %s", got.Name, got.Verdict, got.Evidence, row.as)
			}
			if j.Stock() == audit.Held {
				t.Error("the drive as a whole counts as held")
			}
		})
	}
}

func TestJudge_Counts(t *testing.T) {
	t.Parallel()
	r := clean()
	r.Ledger[3].OnHand, r.Ledger[3].Delta = -4, -5
	if got := audit.Judge(r).Oversold; got != 4 {
		t.Errorf("Oversold = %d, want 4", got)
	}
	r = clean()
	r.Ledger = r.Ledger[:2] // two units were never sold, and yet orders were refused
	if got := audit.Judge(r).Undersold; got != 2 {
		t.Errorf("Undersold = %d, want 2", got)
	}
}

// named returns the judgement's invariant of that name, or one without a verdict.
func named(j audit.Judgement, name string) audit.Invariant {
	for _, i := range j.Invariants {
		if i.Name == name {
			return i
		}
	}
	return audit.Invariant{Name: name}
}

// An order of unknown outcome may be in the ledger, or not.
func TestJudge_UnknownOutcomesExplainASale(t *testing.T) {
	t.Parallel()
	r := clean()
	r.Ops[2].Outcome, r.Ops[2].OrderID = load.Unknown, ""
	if got := audit.Judge(r).Books(); got != audit.Held {
		t.Errorf("Books = %s, want held: %+v", got, audit.Judge(r).Invariants)
	}
}
