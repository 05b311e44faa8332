package audit_test

import (
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// withActs is the drive with returns, with the requests for them, restocks, and a hold that
// was placed after the restock and kept.
func withActs() audit.Records {
	r := withReturns()
	r.Ops[2].Hold = 1 // it expired
	r.Ops = append(r.Ops, load.Op{
		Seq: 4, Quantity: 1, Hold: 60, Key: "k", Digest: "d", Outcome: load.Confirmed, OrderID: "d", Left: 3, Version: 8, Call: at(500), Return: at(505),
	}, load.Op{
		Seq: 5, Quantity: 1, Hold: 60, Key: "k", Digest: "d", Outcome: load.Confirmed, OrderID: "d", Left: 3, Version: 8, Call: at(600), Return: at(605),
	})
	r.Ledger = append(r.Ledger,
		load.Movement{Version: 7, Delta: 3, OnHand: 4, Reason: "restock_1"},
		load.Movement{Version: 8, Delta: -1, OnHand: 3, Reason: "sale", OrderID: "d"})
	r.Placed = append(r.Placed, audit.Placed{ID: "d", Key: "k"})
	r.Levels[0] = audit.Level{OnHand: 3, Version: 8}
	r.Acts = []load.Action{
		{Kind: load.Cancel, OrderID: "a", Outcome: load.Unknown, Call: at(5), Return: at(6)},
		{Kind: load.Cancel, OrderID: "a", Outcome: load.Confirmed, State: "cancelled", Call: at(7), Return: at(9)},
		{Kind: load.Cancel, OrderID: "c", Outcome: load.Confirmed, State: "expired", Call: at(1100), Return: at(1105)},
		{Kind: load.Confirm, OrderID: "c", Outcome: load.Failed, Code: "hold_expired", Call: at(1020), Return: at(1025)},
		{Kind: load.Restock, Delta: 3, Reason: "restock_1", Version: 7, Outcome: load.Confirmed, Call: at(450), Return: at(455)},
		{Kind: load.Restock, Delta: 5, Reason: "restock_2", Outcome: load.Unknown, Call: at(460), Return: at(465)},
		{Kind: load.Restock, Delta: 7, Reason: "restock_3", Outcome: load.Failed, Call: at(470), Return: at(475)},
		{Kind: load.Confirm, OrderID: "d", Outcome: load.Confirmed, State: "confirmed", Call: at(610), Return: at(615)},
		{Kind: load.Confirm, OrderID: "a", Outcome: load.Failed, Code: "not_held", Call: at(620), Return: at(625)},
	}
	return r
}

func TestJudge_ActsThatAreWritten(t *testing.T) {
	t.Parallel()
	j := audit.Judge(withActs())
	if j.Stock() != audit.Held || j.Undersold != 0 {
		t.Errorf("Judge = %+v, want all held", j)
	}
	want := "3 cancels, 1 confirms, 2 restocks; the units of 2 orders came back"
	if got := named(j, audit.ActsWritten); got.Evidence != want {
		t.Errorf("%+v, want %s", got, want)
	}
	if got := named(audit.Judge(withReturns()), audit.ActsWritten); got.Verdict != "" {
		t.Errorf("%+v, want it left out where nobody told of acts", got)
	}
}

func TestJudge_CatchesActsThatAreNotWritten(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		seed func(*audit.Records)
		want string
	}{
		"a cancel that did not happen":   {func(r *audit.Records) { r.Acts[1].OrderID, r.Acts[1].State = "b", "cancelled" }, audit.ActsWritten},
		"a cancel that nobody asked for": {func(r *audit.Records) { r.Acts = r.Acts[2:] }, audit.ActsWritten},
		"a cancel answered as an expiry": {func(r *audit.Records) { r.Acts[1].State = "expired" }, audit.ActsWritten},
		"an order that expired":          {func(r *audit.Records) { r.Ops[2].Hold = 0 }, audit.ActsWritten},
		"a confirmed hold that expired":  {func(r *audit.Records) { r.Acts[3].Outcome = load.Confirmed }, audit.ActsWritten},
		"a hold that nobody confirmed":   {func(r *audit.Records) { r.Acts = r.Acts[:7] }, audit.ActsWritten},
		"a restock that was lost":        {func(r *audit.Records) { r.Acts[5].Outcome = load.Confirmed }, audit.ActsWritten},
		"a restock that was refused":     {func(r *audit.Records) { r.Acts[4].Outcome = load.Failed }, audit.ActsWritten},
		"a restock of another size":      {func(r *audit.Records) { r.Acts[4].Delta = 4 }, audit.ActsWritten},
		"a restock done twice": {func(r *audit.Records) {
			r.Ledger[7] = load.Movement{Version: 8, Delta: 3, OnHand: 7, Reason: "restock_1"}
		}, audit.ActsWritten},
		"a cancel of an order that is there, refused": {func(r *audit.Records) {
			r.Acts = append(r.Acts, load.Action{Kind: load.Cancel, OrderID: "b", Outcome: load.Failed, Code: "not_found", Call: at(700), Return: at(705)})
		}, audit.ActsWritten},
		"a hold that was over too soon": {func(r *audit.Records) { r.Acts[3].Call, r.Acts[3].Return = at(30), at(35) }, audit.ActsWritten},
		"a hold that was cancelled by nobody": {func(r *audit.Records) {
			r.Acts = append(r.Acts, load.Action{Kind: load.Confirm, OrderID: "d", Outcome: load.Failed, Code: "not_held", Call: at(700), Return: at(705)})
		}, audit.ActsWritten},
		"a cancel that was not held": {func(r *audit.Records) {
			r.Acts = append(r.Acts, load.Action{Kind: load.Cancel, OrderID: "a", Outcome: load.Failed, Code: "not_held", Call: at(700), Return: at(705)})
		}, audit.ActsWritten},
		"sold out, long after a restock": {func(r *audit.Records) { r.Ops[3].Call, r.Ops[3].Return = at(600), at(605) }, audit.RefusalsTrue},
		"sold out, long after a cancel": {func(r *audit.Records) {
			r.Ops[3].Call, r.Ops[3].Return = at(150), at(155) // of both units, which are there from a's cancel until b's sale
			r.Ops[3].Quantity, r.Ops[1].Call, r.Ops[1].Return, r.Ops[2].Call, r.Ops[2].Return = 2, at(300), at(305), at(310), at(315)
			r.Acts[3].Return = at(1500)
		}, audit.RefusalsTrue},
		"a key that is sold out later": {func(r *audit.Records) {
			r.Ops[5].Outcome, r.Ops[5].Code = load.SoldOut, "sold_out"
		}, audit.OncePerKey},
		"a key that is sold out between two answers": {func(r *audit.Records) {
			r.Ops[4].Call, r.Ops[4].Return = at(600), at(605)
			r.Ops[5].Call, r.Ops[5].Return = at(500), at(505)
			r.Ops = append(r.Ops, load.Op{Seq: 6, Quantity: 1, Key: "k", Outcome: load.SoldOut, Code: "sold_out", Call: at(550), Return: at(555)})
		}, audit.OncePerKey},
		"a key that is another's later": {func(r *audit.Records) {
			r.Ops[5].Outcome, r.Ops[5].Code = load.Failed, "idempotency_mismatch"
		}, audit.OncePerKey},
		"a restock that nobody asked for":  {func(r *audit.Records) { r.Acts = append(r.Acts[:4:4], r.Acts[7]) }, audit.SalesWereAsked},
		"a key that is not answered alike": {func(r *audit.Records) { r.Ops[5].Digest = "e" }, audit.OncePerKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := withActs()
			row.seed(&r)
			if got := named(audit.Judge(r), row.want); got.Verdict != audit.Violated || got.Evidence == "" {
				t.Errorf("%+v, want it violated", got)
			}
		})
	}
}
