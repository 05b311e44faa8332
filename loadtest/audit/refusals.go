package audit

import (
	"math"
	"slices"
	"sort"
	"time"

	"orderd/loadtest/load"
)

// TruthAge is how stale a refusal may be, by design: for this long after a restock a replica
// may still answer that the SKU is sold out.
const TruthAge = 100 * time.Millisecond

// soldOutWasTrue checks that each refusal was true at some moment of its request, or up to
// TruthAge before it; that of a cart, for one of its SKUs.
//
// The ledger does not say when a version was committed, only that it was between the call and
// the return of its own order, cancel or restock. So a version may have been the current one
// from its own call to the return of the next. Only a refusal that no such moment can explain
// is false.
func soldOutWasTrue(b *books) (Verdict, string) {
	explained := map[*load.Op]bool{}
	for _, one := range b.skus {
		one.explain(b.spans(one), explained)
	}
	refusals := 0
	for i := range b.orders {
		op := &b.orders[i]
		if op.Outcome != load.SoldOut {
			continue
		}
		if refusals++; !explained[op] {
			return found("order %d was refused %s between %s and %s, and there was enough all the time",
				op.Seq, units(op), ms(op.Call), ms(op.Return))
		}
	}
	return held("%d refusals", refusals)
}

// explain marks the refusals that the SKU's levels explain. The versions that may have been
// current during a request are adjacent, and hardly more than the orders in flight.
func (b *book) explain(spans []span, explained map[*load.Op]bool) {
	for _, d := range b.demands {
		if d.op.Outcome != load.SoldOut {
			continue
		}
		begun := sort.Search(len(spans), func(i int) bool { return spans[i].from > d.op.Return })
		for i := begun - 1; i >= 0 && spans[i].to >= d.op.Call-TruthAge; i-- {
			if spans[i].level < d.quantity {
				explained[d.op] = true
				break
			}
		}
	}
}

// A span is a level, and the widest interval in which it may have been the current one.
type span struct {
	level    int64
	from, to time.Duration
}

const (
	longAgo = math.MinInt64 / 2
	forever = math.MaxInt64
)

// spans returns the spans of the SKU's versions. Both ends ascend: a version began after all
// those before it, and ended before all those after it.
func (b *books) spans(of *book) []span {
	spans := make([]span, len(of.ledger))
	from := time.Duration(longAgo)
	for i, m := range of.ledger {
		from = max(from, b.when(m).from)
		spans[i].level, spans[i].from = m.OnHand, from
	}
	to := time.Duration(forever)
	for i, m := range slices.Backward(of.ledger) {
		spans[i].to = to
		to = min(to, b.when(m).to)
	}
	return spans
}
