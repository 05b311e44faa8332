package audit

import "orderd/loadtest/load"

// oversold is how many more units were sold than ever came in: how far the
// level is below zero.
func oversold(ledger []load.Movement) int64 {
	if len(ledger) == 0 {
		return 0
	}
	return max(0, -ledger[len(ledger)-1].OnHand)
}

// undersold is the units left although somebody who would have bought them
// was told that they were sold out.
func undersold(r Records) int64 {
	if len(r.Ledger) == 0 {
		return 0
	}
	left := r.Ledger[len(r.Ledger)-1].OnHand
	for _, op := range r.Ops {
		if op.Outcome == load.SoldOut && op.Quantity <= left {
			return left
		}
	}
	return 0
}

// neverOversold looks at every version and not only at the end: a restock must
// not hide that more was sold than was there.
func neverOversold(r Records) (Verdict, string) {
	if len(r.Ledger) == 0 {
		return Undecided, "there is no ledger"
	}
	for _, m := range r.Ledger {
		if m.OnHand < 0 {
			return found("order %s took the level to %d at version %d, with token %d at replica %s; it ended at %d",
				m.OrderID, m.OnHand, m.Version, m.Token, m.Replica, r.Ledger[len(r.Ledger)-1].OnHand)
		}
	}
	return held("%d versions, the last with %d left", len(r.Ledger), r.Ledger[len(r.Ledger)-1].OnHand)
}

// addsUp checks that no version is missing or doubled and that each level is
// the one before it and the change.
func addsUp(r Records) (Verdict, string) {
	for i := 1; i < len(r.Ledger); i++ {
		before, m := r.Ledger[i-1], r.Ledger[i]
		if m.Version != before.Version+1 {
			return found("version %d is followed by version %d", before.Version, m.Version)
		}
		if m.OnHand != before.OnHand+m.Delta {
			return found("version %d has %d left: %d before it and %+d make %d",
				m.Version, m.OnHand, before.OnHand, m.Delta, before.OnHand+m.Delta)
		}
	}
	return held("%d movements", len(r.Ledger))
}

// soldOutWasTrue checks that each refusal was true at some moment of its
// request, or up to TruthAge before it.
//
// A version is not stamped with the moment of its commit. It lies between the
// call and the return of its own order; so a version may have been the present
// one from its own call to the return of the order after it. Only a refusal
// that no such moment can explain is called false.
func soldOutWasTrue(r Records) (Verdict, string) {
	calls, returns := spans(r)
	refusals := 0
	for _, op := range r.Ops {
		if op.Outcome != load.SoldOut {
			continue
		}
		refusals++
		explained := false
		for i := len(r.Ledger) - 1; i >= 0 && !explained; i-- {
			explained = r.Ledger[i].OnHand < op.Quantity && calls[i] <= op.Return && returns[i] >= op.Call-TruthAge
		}
		if !explained {
			return found("order %d was refused %d units between %v and %v, and they were there all the time",
				op.Seq, op.Quantity, op.Call, op.Return)
		}
	}
	return held("%d refusals", refusals)
}
