package audit

import "orderd/loadtest/load"

// expired is the reason of a movement that returns a hold's units.
const expired = "hold_expired"

// restocks are the restocks that were done or may have been, by their reasons:
// each has its own.
func (b *books) restocks() map[string]*load.Act {
	restocks := map[string]*load.Act{}
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
	cancelled, kept := map[string]bool{}, map[string]bool{} // for sure or perhaps
	counts := map[load.Deed]int{}
	for i := range b.Acts {
		act := &b.Acts[i]
		if act.Outcome == load.Failed {
			continue
		}
		counts[act.Deed]++
		done := act.Outcome == load.Confirmed
		switch act.Deed {
		case load.Cancel:
			cancelled[act.OrderID] = true
			if done && !(act.State == "cancelled" && back[act.OrderID] == "cancel" || act.State == "expired" && back[act.OrderID] == expired) {
				return found("order %s was answered as %s to a cancel, and its units came back by %q", act.OrderID, act.State, back[act.OrderID])
			}
		case load.Confirm:
			kept[act.OrderID] = true
			if done && back[act.OrderID] == expired {
				return found("order %s was confirmed in time, and expired all the same", act.OrderID)
			}
		case load.Restock:
		}
	}
	for order, why := range back {
		op := b.told[order]
		switch {
		case why != expired && !cancelled[order]:
			return found("order %s was cancelled, which nobody asked for", order)
		case why == expired && op != nil && op.Hold == 0:
			return found("order %s expired, and was no hold", order)
		}
	}
	for order, op := range b.told {
		if op.Hold > 0 && !kept[order] && back[order] == "" {
			return found("order %s was a hold that nobody confirmed, and its units did not come back", order)
		}
	}
	return held("%d cancels, %d confirms, %d restocks; the units of %d orders came back",
		counts[load.Cancel], counts[load.Confirm], counts[load.Restock], len(back))
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
