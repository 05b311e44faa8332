package audit

import (
	"math"
	"slices"
	"time"

	"orderd/loadtest/load"
)

// TruthAge is how old the truth behind a refusal may be, by design: for so long
// after a restock a replica may still say that the SKU is sold out.
const TruthAge = 100 * time.Millisecond

// confirmedAreWritten joins the confirmed orders with the ledger.
func confirmedAreWritten(r Records) (Verdict, string) {
	sales := map[string]load.Movement{}
	for _, m := range r.Ledger {
		if m.Reason != "sale" {
			continue
		}
		if other, twice := sales[m.OrderID]; twice {
			return found("order %s is in the ledger twice, at versions %d and %d", m.OrderID, other.Version, m.Version)
		}
		sales[m.OrderID] = m
	}
	confirmed := 0
	answered := map[string]int{}
	for _, op := range r.Ops {
		if op.Outcome != load.Confirmed {
			continue
		}
		confirmed++
		if first, twice := answered[op.OrderID]; twice {
			return found("orders %d and %d were both answered as %s", first, op.Seq, op.OrderID)
		}
		answered[op.OrderID] = op.Seq
		m, ok := sales[op.OrderID]
		if !ok {
			return found("order %d was confirmed as %q and is not in the ledger", op.Seq, op.OrderID)
		}
		if -m.Delta != op.Quantity || m.OnHand != op.Left || m.Version != op.Version {
			return found("order %s was answered %d units, %d left, version %d; the ledger has %d, %d, %d",
				op.OrderID, op.Quantity, op.Left, op.Version, -m.Delta, m.OnHand, m.Version)
		}
	}
	return held("%d confirmed orders", confirmed)
}

// writtenWereOrdered checks that each sale of the drive is one that a client
// was told of, or that may be one whose client never learnt its outcome.
func writtenWereOrdered(r Records) (Verdict, string) {
	told := map[string]bool{}
	unknown := 0
	for _, op := range r.Ops {
		switch op.Outcome {
		case load.Confirmed:
			told[op.OrderID] = true
		case load.Unknown:
			unknown++
		case load.SoldOut, load.Busy, load.Failed:
		}
	}
	sales, untold := 0, 0
	for _, m := range driven(r.Ledger) {
		if m.Reason != "sale" {
			return found("version %d is a %q: somebody else changed the SKU during the drive", m.Version, m.Reason)
		}
		sales++
		if told[m.OrderID] {
			continue
		}
		if untold++; untold > unknown {
			return found("order %s at version %d was confirmed to nobody, and only %d outcomes are unknown",
				m.OrderID, m.Version, unknown)
		}
	}
	return held("%d sales, %d of them of unknown outcome to their client", sales, untold)
}

// driven is the ledger without the movement that the drive started from.
func driven(ledger []load.Movement) []load.Movement {
	if len(ledger) == 0 {
		return nil
	}
	return ledger[1:]
}

// respectsRealTime checks that no order was answered before another, earlier
// in the sequence of sales, was even sent.
func respectsRealTime(r Records) (Verdict, string) {
	confirmed := slices.DeleteFunc(slices.Clone(r.Ops), func(op load.Op) bool { return op.Outcome != load.Confirmed })
	slices.SortFunc(confirmed, func(a, b load.Op) int { return int(a.Version - b.Version) })
	if len(confirmed) == 0 {
		return held("no sales")
	}
	earliest := confirmed[len(confirmed)-1] // the first to return of all later in the sequence
	for _, op := range slices.Backward(confirmed[:len(confirmed)-1]) {
		if earliest.Return < op.Call {
			return found("version %d was answered at %v, before the order of version %d was sent at %v",
				earliest.Version, earliest.Return, op.Version, op.Call)
		}
		if op.Return < earliest.Return {
			earliest = op
		}
	}
	return held("%d sales", len(confirmed))
}

// putToTheTest guards against a verdict on nothing: something was sold, the
// stock ran out, and where there were several clients their orders met.
func putToTheTest(r Records) (Verdict, string) {
	counts := map[load.Outcome]int{}
	for _, op := range r.Ops {
		counts[op.Outcome]++
	}
	most := overlap(r.Ops)
	switch {
	case counts[load.Confirmed] == 0:
		return Undecided, "nothing was sold"
	case counts[load.SoldOut] == 0:
		return Undecided, "the stock never ran out"
	case r.Clients > 1 && most < 2:
		return Undecided, "no two orders were under way at once"
	}
	return held("up to %d orders at once, %d sold and %d refused", most, counts[load.Confirmed], counts[load.SoldOut])
}

// overlap is the most orders that were under way at one moment.
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
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return a.delta - b.delta // one that ends as another begins does not meet it
	})
	most, now := 0, 0
	for _, e := range edges {
		now += e.delta
		most = max(most, now)
	}
	return most
}

// spans returns for each version of the ledger when it may have become the
// present one at the earliest, and stopped being so at the latest.
func spans(r Records) (from, to []time.Duration) {
	orders := map[string]load.Op{}
	for _, op := range r.Ops {
		if op.Outcome == load.Confirmed {
			orders[op.OrderID] = op
		}
	}
	from, to = make([]time.Duration, len(r.Ledger)), make([]time.Duration, len(r.Ledger))
	for i, m := range r.Ledger {
		to[i] = math.MaxInt64
		from[i] = math.MinInt64 / 2
		if op, ok := orders[m.OrderID]; ok {
			from[i] = op.Call
			if i > 0 {
				to[i-1] = op.Return
			}
		}
	}
	return from, to
}
