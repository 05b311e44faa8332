package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"orderd/loadtest/load"
)

// respectsRealTime checks that no order was answered before another, earlier
// in the sequence of sales, was even sent.
func respectsRealTime(b *books) (Verdict, string) {
	sales := 0
	wrong := b.each(func(one *book) string {
		confirmed := slices.DeleteFunc(slices.Clone(one.demands), func(d demand) bool { return d.op.Outcome != load.Confirmed })
		if sales += len(confirmed); len(confirmed) == 0 {
			return ""
		}
		slices.SortFunc(confirmed, func(x, y demand) int { return cmp.Compare(x.version, y.version) })
		earliest := confirmed[len(confirmed)-1] // the earliest to return of all those later in the sequence
		for _, d := range slices.Backward(confirmed[:len(confirmed)-1]) {
			if earliest.op.Return < d.op.Call {
				return fmt.Sprintf("version %d%s was answered at %s, before the order of version %d was sent at %s",
					earliest.version, one.of(), ms(earliest.op.Return), d.version, ms(d.op.Call))
			}
			if d.op.Return < earliest.op.Return {
				earliest = d
			}
		}
		return ""
	})
	if wrong != "" {
		return Violated, wrong
	}
	return held("%d sales", sales)
}

// putToTheTest guards against a vacuous verdict. In a drive without a fault, most orders must
// have been decided, something have been sold and the stock have run out; in one with a fault,
// it must have fired. In both, orders must have overlapped if there were several clients.
func putToTheTest(b *books) (Verdict, string) {
	sold, refused := b.count(load.Confirmed), b.count(load.SoldOut)
	most := overlap(b.Ops)
	switch {
	case b.Fault != nil && !b.Fault.Fired:
		return Undecided, fmt.Sprintf("the fault %q was not seen to have fired", b.Fault.Name)
	case b.Fault == nil && 2*(sold+refused) < len(b.orders):
		return Undecided, fmt.Sprintf("of %d orders only %d were decided", len(b.orders), sold+refused)
	case b.Fault == nil && sold == 0:
		return Undecided, "nothing was sold"
	case b.Fault == nil && refused == 0 && b.oversold() == 0:
		return Undecided, "the stock never ran out: only more orders than there are units can oversell it"
	case b.Clients > 1 && most < 2:
		return Undecided, "no two orders were under way at once"
	}
	fired := ""
	if b.Fault != nil {
		fired = fmt.Sprintf("the fault %q fired, ", b.Fault.Name)
	}
	return held("%sup to %d orders at once, %d sold and %d refused", fired, most, sold, refused)
}

// overlap returns the largest number of orders in flight at one moment.
func overlap(ops []load.Op) int {
	type edge struct {
		at    time.Duration
		delta int
	}
	edges := make([]edge, 0, 2*len(ops))
	for _, op := range ops {
		edges = append(edges, edge{op.Call, 1}, edge{op.Return, -1})
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if c := cmp.Compare(a.at, b.at); c != 0 {
			return c
		}
		return a.delta - b.delta // one that ends as another begins does not overlap it
	})
	most, now := 0, 0
	for _, e := range edges {
		now += e.delta
		most = max(most, now)
	}
	return most
}

// ms formats a moment or a duration in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d)/1e6) }

// noneBroken checks that no request was answered 500 internal, with which orderd says that it
// has a bug: what depends on others is answered otherwise.
func noneBroken(b *books) (Verdict, string) {
	const internal = "internal"
	for _, op := range b.Ops {
		if op.Code == internal {
			return found("order %d was answered %d %s", op.Seq, op.Status, op.Code)
		}
	}
	for i := range b.Acts {
		if act := &b.Acts[i]; act.Code == internal {
			return found("the %s at %s was answered %s", act.Kind, ms(act.Call), act.Code)
		}
	}
	return held("%d requests", len(b.Ops)+len(b.Acts))
}
