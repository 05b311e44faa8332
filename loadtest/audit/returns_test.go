package audit_test

import (
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// withReturns is a drive of two units: one was sold, cancelled and sold again; a hold of the
// other expired after an order had been refused.
func withReturns() audit.Records {
	sold := func(seq, call int, order string, left, version int64) load.Op {
		return load.Op{
			Seq: seq, Quantity: 1, Outcome: load.Confirmed, OrderID: order, Left: left, Version: version,
			Call: at(call), Return: at(call + 5),
		}
	}
	move := func(version, delta, onHand int64, reason, order string) load.Movement {
		return load.Movement{Version: version, Delta: delta, OnHand: onHand, Reason: reason, OrderID: order}
	}
	return audit.Records{
		Clients: 1,
		Ops: []load.Op{
			sold(0, 0, "a", 1, 2), sold(1, 10, "b", 1, 4), sold(2, 20, "c", 0, 5),
			{Seq: 3, Quantity: 1, Outcome: load.SoldOut, Call: at(400), Return: at(405)},
		},
		Ledger: []load.Movement{
			{Version: 1, Delta: 2, OnHand: 2, Reason: "created"},
			move(2, -1, 1, "sale", "a"), move(3, 1, 2, "cancel", "a"), move(4, -1, 1, "sale", "b"),
			move(5, -1, 0, "sale", "c"), move(6, 1, 1, "hold_expired", "c"),
		},
		Placed: []audit.Placed{{ID: "a"}, {ID: "b"}, {ID: "c"}},
		Levels: []audit.Level{{OnHand: 1, Version: 6}},
	}
}

func TestJudge_UnitsThatCameBack(t *testing.T) {
	t.Parallel()
	j := audit.Judge(withReturns())
	if j.Stock() != audit.Held || j.Undersold != 0 || j.Oversold != 0 {
		t.Errorf("Judge = %+v, want all held and nothing left over", j)
	}
	if got := named(j, audit.ReturnedOnce); got.Evidence != "2 orders returned their units" {
		t.Errorf("%+v, want it held of 2 orders", got)
	}
	if got := named(j, audit.Linearizable); got.Verdict != audit.Held {
		t.Errorf("%+v, want it held", got)
	}
}

func TestJudge_CatchesReturnsThatAreNone(t *testing.T) {
	t.Parallel()
	again := func(order string, delta int64) func(*audit.Records) {
		return func(r *audit.Records) {
			last := r.Ledger[len(r.Ledger)-1]
			r.Ledger = append(r.Ledger, load.Movement{
				Version: last.Version + 1, Delta: delta, OnHand: last.OnHand + delta, Reason: "cancel", OrderID: order,
			})
		}
	}
	for name, row := range map[string]struct {
		seed func(*audit.Records)
		want string
	}{
		"a second time":             {again("a", 1), audit.ReturnedOnce},
		"of another reason":         {again("c", 1), audit.ReturnedOnce},
		"of nobody's order":         {again("x", 1), audit.ReturnedOnce},
		"more than was taken":       {again("b", 2), audit.ReturnedOnce},
		"before it was taken":       {func(r *audit.Records) { r.Ledger[2].OrderID = "b" }, audit.ReturnedOnce},
		"refused after the return":  {func(r *audit.Records) { r.Ledger, r.Ops = r.Ledger[:4], append(r.Ops[:2], r.Ops[3]) }, audit.RefusalsTrue},
		"sold before it was back":   {func(r *audit.Records) { r.Ops[1].Left = 0 }, audit.ConfirmedExist},
		"half a cart":               {halfACart, audit.ReturnedOnce},
		"somebody else's restock":   {func(r *audit.Records) { r.Ledger[2].Reason, r.Ledger[2].OrderID = "restock", "" }, audit.SalesWereAsked},
		"a return that is a sale's": {func(r *audit.Records) { r.Ledger[2].Delta = -1 }, audit.AddsUp},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withReturns()
			row.seed(&r)
			if got := named(audit.Judge(r), row.want); got.Verdict != audit.Violated || got.Evidence == "" {
				t.Errorf("%+v, want it violated", got)
			}
		})
	}
}

func halfACart(r *audit.Records) {
	line := func(sku string) load.Line { return load.Line{SKU: sku, Quantity: 1, Left: 0, Version: 2} }
	*r = audit.Records{Clients: 1, Ops: []load.Op{
		{Outcome: load.Confirmed, OrderID: "a", Call: at(0), Return: at(5), Lines: []load.Line{line("A"), line("B")}},
	}}
	for _, sku := range []string{"A", "B"} {
		r.Ledger = append(r.Ledger,
			load.Movement{SKU: sku, Version: 1, Delta: 1, OnHand: 1, Reason: "created"},
			load.Movement{SKU: sku, Version: 2, Delta: -1, OnHand: 0, Reason: "sale", OrderID: "a"})
	}
	r.Ledger = append(r.Ledger, load.Movement{SKU: "B", Version: 3, Delta: 1, OnHand: 1, Reason: "cancel", OrderID: "a"})
}
