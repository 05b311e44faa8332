package audit

import (
	"fmt"
	"time"

	"orderd/loadtest/load"
)

// progress checks that after the fault an order was decided (sold, or refused as sold out),
// and that every replica that was asked for a SKU that nobody had ordered before sold it.
func progress(b *books) (Verdict, string) {
	if b.Fault == nil || b.Fault.Healed == nil {
		return silent()
	}
	healed, after := *b.Fault.Healed, 0
	var decided *load.Op
	for i := range b.Ops {
		op := &b.Ops[i]
		if op.Call < healed {
			continue
		}
		after++
		if (op.Outcome == load.Confirmed || op.Outcome == load.SoldOut) && (decided == nil || op.Return < decided.Return) {
			decided = op
		}
	}
	switch {
	case after == 0:
		return Undecided, fmt.Sprintf("nobody ordered after the fault was over at %s", ms(healed))
	case decided == nil:
		return found("the fault was over at %s, and none of the %d orders since then was decided", ms(healed), after)
	}
	first := fmt.Sprintf("the fault was over at %s, and an order was decided %s later", ms(healed), ms(decided.Return-healed))
	replicas, longest, stuck := b.probed()
	switch {
	case stuck != nil:
		return found("%s, but replica %d sold nothing of a SKU of its own: %s %s", first, stuck.Client, stuck.Outcome, stuck.Code)
	case replicas > 0:
		return held("%s; then each of %d replicas sold something new, within %s", first, replicas, ms(longest))
	default:
		return held("%s", first)
	}
}

// probed returns how many replicas were asked for a new SKU, how long the slowest took to
// sell it, and the last answer of one that did not.
func (b *books) probed() (replicas int, longest time.Duration, stuck *load.Op) {
	asked, sold := map[int]time.Duration{}, map[int]bool{}
	latest := map[int]*load.Op{}
	for i := range b.Probes {
		op := &b.Probes[i]
		if latest[op.Client] == nil {
			asked[op.Client] = op.Call
		}
		latest[op.Client] = op
		if op.Outcome == load.Confirmed {
			sold[op.Client], longest = true, max(longest, op.Return-asked[op.Client])
		}
	}
	for client, op := range latest {
		if !sold[client] {
			stuck = op
		}
	}
	return len(latest), longest, stuck
}
