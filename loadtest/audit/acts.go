package audit

import (
	"fmt"
	"time"

	"orderd/loadtest/load"
)

// Reasons of movements that return units.
const (
	cancelled = "cancel"
	expired   = "hold_expired"
)

// restocks returns the restocks that were or may have been done, by their reasons, which are
// unique.
func (b *books) restocks() map[string]*load.Action {
	restocks := map[string]*load.Action{}
	for i := range b.Acts {
		if act := &b.Acts[i]; act.Kind == load.Restock && act.Outcome != load.Failed {
			restocks[act.Reason] = act
		}
	}
	return restocks
}

// actsAreWritten joins the cancels, confirms and restocks with the ledger, which must have
// been read after all holds had ended.
func actsAreWritten(b *books) (Verdict, string) {
	if b.Acts == nil {
		return silent()
	}
	if wrong := b.restocksAreWritten(); wrong != "" {
		return Violated, wrong
	}
	back := map[string]string{} // by order: the reason of the movement that returned its units
	for _, m := range b.Ledger {
		if returns(m) {
			back[m.OrderID] = m.Reason
		}
	}
	asked := map[load.ActionKind]map[string]bool{load.Cancel: {}, load.Confirm: {}} // by kind: orders for which it was or may have been done
	counts := map[load.ActionKind]int{}
	var refused []*load.Action
	for i := range b.Acts {
		act := &b.Acts[i]
		if act.Outcome == load.Failed {
			refused = append(refused, act)
			continue
		}
		if counts[act.Kind]++; act.Kind == load.Restock {
			continue
		}
		asked[act.Kind][act.OrderID] = true
		if act.Outcome == load.Confirmed && !agree(act, back[act.OrderID]) {
			return found("order %s was answered as %s to a %s; what the ledger has of its units' return is %q", act.OrderID, act.State, act.Kind, back[act.OrderID])
		}
	}
	if wrong := b.returnsWereAskedFor(back, asked); wrong != "" {
		return Violated, wrong
	}
	for _, act := range refused {
		if !b.rightly(act, asked[load.Cancel][act.OrderID]) {
			return found("the %s of order %s, of which its client had been told, was answered %s", act.Kind, act.OrderID, act.Code)
		}
	}
	return held("%d cancels, %d confirms, %d restocks; the units of %d orders came back",
		counts[load.Cancel], counts[load.Confirm], counts[load.Restock], len(back))
}

// rightly reports whether a cancel or confirm was refused for a valid reason. An order that
// its client knew of can always be cancelled, and can be confirmed unless it was cancelled or
// its hold had expired.
func (b *books) rightly(act *load.Action, cancelled bool) bool {
	op := b.told[act.OrderID]
	if op == nil || act.Call < op.Return || act.Kind == load.Restock {
		return true
	}
	switch act.Code {
	case "rate_limited", "timeout": // refused before anyone looked at the order
		return true
	case "not_held":
		return act.Kind == load.Confirm && cancelled
	case "hold_expired":
		hold := time.Duration(op.Hold) * time.Second
		return act.Kind == load.Confirm && act.Return > op.Call+hold-clocksDiffer
	default:
		return false
	}
}

// clocksDiffer is how far, during a hold, the database's clock may drift from the one that
// times the requests: one of them can be adjusted from outside.
const clocksDiffer = 20 * time.Millisecond

// agree reports whether the answer to an act that was done agrees with the reason for which
// the order's units came back, if they did.
func agree(act *load.Action, why string) bool {
	if act.Kind == load.Confirm {
		return why != expired // it may have been cancelled after the confirm
	}
	return act.State == "cancelled" && why == cancelled || act.State == "expired" && why == expired
}

// returnsWereAskedFor checks that units came back only by a cancel that was asked for or an
// expired hold, and that they did for each hold that was not confirmed.
func (b *books) returnsWereAskedFor(back map[string]string, asked map[load.ActionKind]map[string]bool) string {
	for order, why := range back {
		op := b.told[order]
		switch {
		case why == cancelled && !asked[load.Cancel][order]:
			return fmt.Sprintf("order %s was cancelled, which nobody asked for", order)
		case why == expired && op != nil && op.Hold == 0:
			return fmt.Sprintf("order %s expired, and was no hold", order)
		}
	}
	for order, op := range b.told {
		if op.Hold > 0 && !asked[load.Confirm][order] && back[order] == "" {
			return fmt.Sprintf("order %s was a hold that nobody confirmed, and its units did not come back", order)
		}
	}
	return ""
}

// restocksAreWritten checks that each restock is in the ledger at most once, one that was
// answered as done is there as answered, and one that was refused is not.
func (b *books) restocksAreWritten() string {
	reasons := map[string]bool{}
	for i := range b.Acts {
		reasons[b.Acts[i].Reason] = b.Acts[i].Kind == load.Restock
	}
	written := map[string]load.Movement{}
	for _, m := range b.Ledger {
		if !reasons[m.Reason] {
			continue
		}
		if first, twice := written[m.Reason]; twice {
			return fmt.Sprintf("restock %s is in the ledger twice, at version %d of %q and %d of %q", m.Reason, first.Version, first.SKU, m.Version, m.SKU)
		}
		written[m.Reason] = m
	}
	for i := range b.Acts {
		act := &b.Acts[i]
		if act.Kind != load.Restock {
			continue
		}
		m, ok := written[act.Reason]
		switch {
		case ok && act.Outcome == load.Failed:
			return fmt.Sprintf("restock %s was refused, and is in the ledger at version %d of %q", act.Reason, m.Version, m.SKU)
		case act.Outcome != load.Confirmed:
		case !ok:
			return fmt.Sprintf("restock %s was answered as done, and is not in the ledger", act.Reason)
		case m.SKU != act.SKU || m.Delta != act.Delta || m.Version != act.Version:
			return fmt.Sprintf("restock %s of %q was answered %+d, version %d; the ledger has %q, %+d, %d",
				act.Reason, act.SKU, act.Delta, act.Version, m.SKU, m.Delta, m.Version)
		}
	}
	return ""
}
