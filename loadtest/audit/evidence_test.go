package audit_test

import (
	"slices"
	"strings"
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// Evidence is exact to the unit, because readers rely on it.
func TestJudge_Evidence(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		records func() audit.Records
		seed    func(*audit.Records)
		of      string
		want    string
	}{
		"a level that does not add up": {
			clean, func(r *audit.Records) { r.Ledger[2].OnHand++ }, audit.AddsUp,
			"version 3 has 2 left: 2 before it and -1 make 1",
		},
		"an order of two, of which one was taken": {
			clean, func(r *audit.Records) { r.Ops[1].Quantity = 2 }, audit.ConfirmedExist,
			"order order-1 was answered 2 units, 1 left, version 3; the ledger has 1, 1, 3",
		},
		"more came back than was taken": {
			withReturns, func(r *audit.Records) { r.Ledger[2].Delta, r.Ledger[2].OnHand = 2, 3 }, audit.ReturnedOnce,
			"version 3 returns 2 units of order a, which had taken 1",
		},
		"nothing is wrong":    {clean, nil, audit.NeverOversold, "4 versions, the last with 0 left"},
		"every answer fits":   {clean, nil, audit.Linearizable, "5 answers"},
		"what was ordered":    {clean, nil, audit.SalesWereAsked, "3 sales, 0 of them of unknown outcome to their client"},
		"what was refused":    {clean, nil, audit.RefusalsTrue, "2 refusals"},
		"what was sold":       {clean, nil, audit.RealTime, "3 sales"},
		"how hard it was":     {clean, nil, audit.PutToTheTest, "up to 2 orders at once, 3 sold and 2 refused"},
		"what Redis has":      {complete, nil, audit.QuickLevelRight, "1 of 1 levels are in Redis, and right"},
		"what had to be told": {complete, func(r *audit.Records) { r.Tokens, r.Ledger[2].Token = true, 0 }, audit.TokensGrow, "1 sales have no token"},
		"how long it took after the fault": {
			complete, func(r *audit.Records) { r.Ops[3].Return = at(60) }, audit.Progress, // the other order was decided before
			"the fault was over at 30.0 ms, and an order was decided 25.0 ms later; then each of 2 replicas sold something new, within 4.0 ms",
		},
		"an order sent just as the fault was over": {
			complete, nil, audit.Progress,
			"the fault was over at 30.0 ms, and an order was decided 15.0 ms later; then each of 2 replicas sold something new, within 4.0 ms",
		},
		"short turns within a long one": {
			complete, func(r *audit.Records) { r.Leases[0].Left = at(90) }, audit.TurnsApart,
			"2 of 3 leases began while another was held; the first: r1 held the lock with token 10 from 2.0 ms to 90.0 ms, and r2 held the lock with token 11 from 12.0 ms to 22.0 ms: both for 10.0 ms",
		},
	} {
		r := row.records()
		if row.seed != nil {
			row.seed(&r)
		}
		j := audit.Judge(r)
		if got := named(audit.Judgement{Invariants: append(j.Invariants, j.Counted...)}, row.of); got.Evidence != row.want {
			t.Errorf("%s: %q, want %q", name, got.Evidence, row.want)
		}
	}
}

// Undersold are units that were left although an order that wanted them was refused.
func TestJudge_WhatIsUndersold(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		seed func(*audit.Records)
		want int64
	}{
		"as much as was wanted":   {func(r *audit.Records) { r.Ops[3].Quantity, r.Ops[4].Quantity = 2, 2 }, 2},
		"less than was wanted":    {func(r *audit.Records) { r.Ops[3].Quantity, r.Ops[4].Quantity = 3, 3 }, 0},
		"nobody was refused":      {func(r *audit.Records) { r.Ops = r.Ops[:1] }, 0},
		"others were too busy":    {func(r *audit.Records) { r.Ops[3].Outcome, r.Ops[4].Outcome = load.Busy, load.Failed }, 0},
		"a cart's other line was": {func(r *audit.Records) { r.Ops[3].Lines = cart(); r.Ops = r.Ops[:4] }, 0},
		"a cart of one line":      {func(r *audit.Records) { r.Ops[3].Lines = cart()[:1]; r.Ops = r.Ops[:4] }, 2},
	} {
		r := clean()
		r.Ledger = r.Ledger[:2] // two units were never sold
		row.seed(&r)
		if got := audit.Judge(r).Undersold; got != row.want {
			t.Errorf("%s: %d undersold, want %d", name, got, row.want)
		}
	}
}

func cart() []load.Line { return []load.Line{{SKU: "", Quantity: 1}, {SKU: "B", Quantity: 1}} }

// Attempts with one key are one order, from the first call to the first answer that confirms
// it.
func TestOrders(t *testing.T) {
	t.Parallel()
	attempt := func(key string, outcome load.Outcome, call, back int) load.Op {
		return load.Op{Key: key, Outcome: outcome, Call: at(call), Return: at(back)}
	}
	for name, row := range map[string]struct{ ops, want []load.Op }{
		"without keys": {
			[]load.Op{attempt("", load.Confirmed, 0, 1), attempt("", load.Confirmed, 2, 3)},
			[]load.Op{attempt("", load.Confirmed, 0, 1), attempt("", load.Confirmed, 2, 3)},
		},
		"lost, and then told": {
			[]load.Op{attempt("k", load.Unknown, 0, 5), attempt("k", load.Confirmed, 6, 8)},
			[]load.Op{attempt("k", load.Confirmed, 0, 8)},
		},
		"told, and then lost": {
			[]load.Op{attempt("k", load.Confirmed, 6, 8), attempt("k", load.Unknown, 0, 90)},
			[]load.Op{attempt("k", load.Confirmed, 0, 8)},
		},
		"told twice, the later first": {
			[]load.Op{attempt("k", load.Confirmed, 6, 80), attempt("k", load.Confirmed, 4, 15)},
			[]load.Op{attempt("k", load.Confirmed, 4, 15)},
		},
		"told twice, the later last": {
			[]load.Op{attempt("k", load.Confirmed, 4, 15), attempt("k", load.Confirmed, 6, 80)},
			[]load.Op{attempt("k", load.Confirmed, 4, 15)},
		},
		"refused, and refused again, and placed": {
			[]load.Op{attempt("k", load.SoldOut, 0, 5), attempt("k", load.Busy, 6, 8), attempt("k", load.Confirmed, 9, 10)},
			[]load.Op{attempt("k", load.SoldOut, 0, 5), attempt("k", load.Busy, 6, 8), attempt("k", load.Confirmed, 9, 10)},
		},
		"two keys": {
			[]load.Op{attempt("k", load.Confirmed, 0, 5), attempt("l", load.Confirmed, 1, 6)},
			[]load.Op{attempt("k", load.Confirmed, 0, 5), attempt("l", load.Confirmed, 1, 6)},
		},
	} {
		same := func(x, y load.Op) bool {
			return x.Key == y.Key && x.Outcome == y.Outcome && x.Call == y.Call && x.Return == y.Return
		}
		if got := audit.Orders(row.ops); !slices.EqualFunc(got, row.want, same) {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
	}
}

// The trace of an oversell has the leases of the two sales and no others.
func TestJudge_ExplainsAnOversellByItsLeases(t *testing.T) {
	t.Parallel()
	oversold := func() audit.Records {
		r := complete()
		r.Ledger = append(r.Ledger, load.Movement{Version: 5, Delta: -1, Reason: "sale", OrderID: "order-3", OnHand: -1, Replica: "r2"})
		r.Ops[3].Outcome, r.Ops[3].OrderID, r.Ops[3].Version, r.Ops[3].Left = load.Confirmed, "order-3", 5, -1
		return r
	}
	const under, other = "r2 held the lock from 31.0 ms to 44.0 ms.", "r2 held the lock with token 11 from 12.0 ms to 22.0 ms."
	r := oversold()
	r.Leases = append(r.Leases, audit.Lease{Replica: "r2", Entered: at(31), Left: at(44)})
	if got := audit.Judge(r).Trace; !slices.Contains(got, under) || slices.Contains(got, other) {
		t.Errorf("Trace = %s, want the lease without a token that is of the time, and not the one before", strings.Join(got, "\n"))
	}
	r.Ops[3].Call, r.Ops[3].Return = at(44), at(50) // it was sent just as the lease ended
	if got := audit.Judge(r).Trace; !slices.Contains(got, under) {
		t.Errorf("Trace = %s, want the lease that ended as the order came", strings.Join(got, "\n"))
	}
	r.Ops = slices.Delete(r.Ops, 3, 4) // nobody knows when it was sent
	if got := audit.Judge(r).Trace; !slices.Contains(got, under) || !slices.Contains(got, other) {
		t.Errorf("Trace = %s, want each lease that it may have been", strings.Join(got, "\n"))
	}

	r = oversold()
	r.Ledger[4].Delta, r.Ledger[4].OnHand = -2, -2
	r.Ledger = slices.Delete(r.Ledger, 1, 4)
	r.Ledger[0].Delta, r.Ledger[0].OnHand = 0, 0
	want := "Order order-3 at r2, sent at 30.0 ms and answered at 45.0 ms, took 2 units of the 0 that there were, which no check should let pass."
	if got := audit.Judge(r).Trace; len(got) != 1 || got[0] != want {
		t.Errorf("Trace = %q, want %q", got, want)
	}
}
