package audit

import (
	"time"

	"orderd/loadtest/load"
)

// Reasons of movements that return units.
const (
	cancelled = "cancel"
	expired   = "hold_expired"
)

// restocks are the restocks that were done or may have been, by their reasons:
// each has its own.
func (b *books) restocks() map[string]*load.Action {
	restocks := map[string]*load.Action{}
	for i := range b.Acts {
		if act := &b.Acts[i]; act.Deed == load.Restock && act.Outcome != load.Failed {
			restocks[act.Reason] = act
		}
	}
	return restocks
}

// actsAreWritten joins the cancels, confirms and restocks with the ledger. It
// wants a ledger that was read once all holds were over.
func actsAreWritten(b *books) (Verdict, string) {
	if b.Acts == nil {
		return silent()
	}
	if verdict, evidence := b.restocksAreWritten(); verdict == Violated {
		return verdict, evidence
	}
	back := map[string]string{} // why an order's units came back
	for _, m := range b.Ledger {
		if returns(m) {
			back[m.OrderID] = m.Reason
		}
	}
	asked := map[load.ActionKind]map[string]bool{load.Cancel: {}, load.Confirm: {}} // for sure or perhaps
	counts := map[load.ActionKind]int{}
	var refused []*load.Action
	for i := range b.Acts {
		act := &b.Acts[i]
		if act.Outcome == load.Failed {
			refused = append(refused, act)
			continue
		}
		if counts[act.Deed]++; act.Deed == load.Restock {
			continue
		}
		asked[act.Deed][act.OrderID] = true
		if act.Outcome == load.Confirmed && !agree(act, back[act.OrderID]) {
			return found("order %s was answered as %s to a %s; what the ledger has of its units' return is %q", act.OrderID, act.State, act.Deed, back[act.OrderID])
		}
	}
	if verdict, evidence := b.returnsWereAskedFor(back, asked); verdict == Violated {
		return verdict, evidence
	}
	for _, act := range refused {
		if !b.rightly(act, asked[load.Cancel][act.OrderID]) {
			return found("the %s of order %s, of which its client had been told, was answered %s", act.Deed, act.OrderID, act.Code)
		}
	}
	return held("%d cancels, %d confirms, %d restocks; the units of %d orders came back",
		counts[load.Cancel], counts[load.Confirm], counts[load.Restock], len(back))
}

// rightly tells whether a cancel or confirm was refused for a reason that there was.
// An order that its client was told of can be cancelled whatever became of it, and
// is confirmed unless it was cancelled, or its time over.
func (b *books) rightly(act *load.Action, cancelled bool) bool {
	op := b.told[act.OrderID]
	if op == nil || act.Call < op.Return || act.Deed == load.Restock {
		return true
	}
	switch act.Code {
	case "rate_limited", "timeout": // nobody looked
		return true
	case "not_held":
		return act.Deed == load.Confirm && cancelled
	case "hold_expired":
		hold := time.Duration(op.Hold) * time.Second
		return act.Deed == load.Confirm && act.Return > op.Call+hold-clocksDiffer
	default:
		return false
	}
}

// clocksDiffer is by how much the database's clock may have run otherwise, during a
// hold, than the one that requests are timed by: one of them is set right by others.
const clocksDiffer = 20 * time.Millisecond

// agree tells whether an act that was done is so by the reason for which the
// order's units came back, if they did.
func agree(act *load.Action, why string) bool {
	if act.Deed == load.Confirm {
		return why != expired // it may have been cancelled since
	}
	return act.State == "cancelled" && why == cancelled || act.State == "expired" && why == expired
}

// returnsWereAskedFor checks that units came back by a cancel that was asked for,
// or because a hold was over, and of each hold that was not confirmed.
func (b *books) returnsWereAskedFor(back map[string]string, asked map[load.ActionKind]map[string]bool) (Verdict, string) {
	for order, why := range back {
		op := b.told[order]
		switch {
		case why == cancelled && !asked[load.Cancel][order]:
			return found("order %s was cancelled, which nobody asked for", order)
		case why == expired && op != nil && op.Hold == 0:
			return found("order %s expired, and was no hold", order)
		}
	}
	for order, op := range b.told {
		if op.Hold > 0 && !asked[load.Confirm][order] && back[order] == "" {
			return found("order %s was a hold that nobody confirmed, and its units did not come back", order)
		}
	}
	return held("")
}

// restocksAreWritten checks that each restock is in the ledger once and as it
// was answered, and one that was refused not at all.
func (b *books) restocksAreWritten() (Verdict, string) {
	reasons := map[string]bool{}
	for i := range b.Acts {
		reasons[b.Acts[i].Reason] = b.Acts[i].Deed == load.Restock
	}
	written := map[string]load.Movement{}
	for _, m := range b.Ledger {
		if !reasons[m.Reason] {
			continue
		}
		if first, twice := written[m.Reason]; twice {
			return found("restock %s is in the ledger twice, at version %d of %q and %d of %q", m.Reason, first.Version, first.SKU, m.Version, m.SKU)
		}
		written[m.Reason] = m
	}
	for i := range b.Acts {
		act := &b.Acts[i]
		if act.Deed != load.Restock {
			continue
		}
		m, ok := written[act.Reason]
		switch {
		case ok && act.Outcome == load.Failed:
			return found("restock %s was refused, and is in the ledger at version %d of %q", act.Reason, m.Version, m.SKU)
		case act.Outcome != load.Confirmed:
		case !ok:
			return found("restock %s was answered as done, and is not in the ledger", act.Reason)
		case m.SKU != act.SKU || m.Delta != act.Delta || m.Version != act.Version:
			return found("restock %s of %q was answered %+d, version %d; the ledger has %q, %+d, %d",
				act.Reason, act.SKU, act.Delta, act.Version, m.SKU, m.Delta, m.Version)
		}
	}
	return held("")
}
