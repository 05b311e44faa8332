package audit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"orderd/loadtest/load"
)

// confirmedAreWritten checks that each confirmed order is in the ledger, once and as
// answered.
func confirmedAreWritten(b *books) (Verdict, string) {
	for _, m := range b.Ledger {
		if first := b.sales[saleKey{m.SKU, m.OrderID}]; m.Reason == sale && first.Version != m.Version {
			return found("order %s is in the ledger twice, at versions %d and %d", m.OrderID, first.Version, m.Version)
		}
	}
	for i := range b.orders {
		op := &b.orders[i]
		if first := b.told[op.OrderID]; op.Outcome == load.Confirmed && first != op {
			return found("orders %d and %d were both answered as %s", first.Seq, op.Seq, op.OrderID)
		}
	}
	wanted := map[string]int{}
	verdict, evidence := b.each(func(one *book) (Verdict, string) {
		for _, d := range one.demands {
			if d.op.Outcome != load.Confirmed {
				continue
			}
			wanted[d.op.OrderID]++
			if verdict, evidence := b.asAnswered(one, d); verdict == Violated {
				return verdict, evidence
			}
		}
		return held("")
	})
	if verdict == Violated {
		return verdict, evidence
	}
	for order, lines := range wanted {
		if b.lines[order] != lines {
			return found("order %s was placed for %d SKUs and took units of %d", order, lines, b.lines[order])
		}
	}
	return held("%d confirmed orders", len(b.told))
}

func (b *books) asAnswered(one *book, d demand) (Verdict, string) {
	m, ok := b.sales[saleKey{one.sku, d.op.OrderID}]
	if !ok {
		return found("order %d was confirmed as %q and is not in the ledger%s", d.op.Seq, d.op.OrderID, one.of())
	}
	if -m.Delta != d.quantity || m.OnHand != d.left || m.Version != d.version {
		return found("order %s was answered %d units%s, %d left, version %d; the ledger has %d, %d, %d",
			d.op.OrderID, d.quantity, one.of(), d.left, d.version, -m.Delta, m.OnHand, m.Version)
	}
	return held("")
}

// writtenWereOrdered checks that each order with a sale in the drive was confirmed to a
// client, or has the same lines as one whose client never learnt the outcome.
func writtenWereOrdered(b *books) (Verdict, string) {
	unknown := map[string]int{}
	for i := range b.orders {
		if op := &b.orders[i]; op.Outcome == load.Unknown {
			unknown[asked(op)]++
		}
	}
	untold := map[string][]load.Movement{}
	sales := 0
	restocks := b.restocks()
	verdict, evidence := b.each(func(one *book) (Verdict, string) {
		for _, m := range one.driven() {
			if returns(m) || restocks[m.Reason] != nil {
				continue
			}
			if m.Reason != sale {
				return found("version %d%s is a %q: somebody else changed the SKU during the drive", m.Version, one.of(), m.Reason)
			}
			sales++
			if b.told[m.OrderID] == nil {
				untold[m.OrderID] = append(untold[m.OrderID], m)
			}
		}
		return held("")
	})
	if verdict == Violated {
		return verdict, evidence
	}
	for order, taken := range untold {
		if unknown[took(taken)]--; unknown[took(taken)] < 0 {
			return found("order %s at version %d was confirmed to nobody, and no order of unknown outcome is left that asked for it",
				order, taken[0].Version)
		}
	}
	return held("%d sales, %d of them of unknown outcome to their client", sales, len(untold))
}

// asked formats an order's lines as took formats its movements, so that they can be compared.
func asked(op *load.Op) string {
	if len(op.Lines) == 0 {
		return lineText("", op.Quantity)
	}
	var lines []string
	for sku, d := range summed(op) {
		lines = append(lines, lineText(sku, d.quantity))
	}
	slices.Sort(lines)
	return strings.Join(lines, ",")
}

func took(movements []load.Movement) string {
	lines := make([]string, len(movements))
	for i, m := range movements {
		lines[i] = lineText(m.SKU, -m.Delta)
	}
	slices.Sort(lines)
	return strings.Join(lines, ",")
}

func lineText(sku string, quantity int64) string { return fmt.Sprintf("%d %s", quantity, sku) }

// oncePerKey checks that all attempts with one key were answered with the same order, that no
// later one was denied it, and that the database has one order for each key.
func oncePerKey(b *books) (Verdict, string) {
	answered, digests := map[string]string{}, map[string]string{}
	since := map[string]time.Duration{} // when the client was first told that the order is placed
	keys := map[string]bool{}
	for _, op := range b.Ops {
		if op.Key == "" {
			continue
		}
		keys[op.Key] = true
		if op.Outcome != load.Confirmed {
			continue
		}
		if other, again := answered[op.Key]; again && other != op.OrderID {
			return found("key %s was answered as order %s and as order %s", op.Key, other, op.OrderID)
		}
		if other, again := digests[op.Key]; again && other != op.Digest {
			return found("key %s was not answered alike each time: order %s", op.Key, op.OrderID)
		}
		if told, again := since[op.Key]; !again || op.Return < told {
			since[op.Key] = op.Return
		}
		answered[op.Key], digests[op.Key] = op.OrderID, op.Digest
	}
	for _, op := range b.Ops {
		if told, placed := since[op.Key]; placed && op.Call > told && deniesKey(op) {
			return found("key %s was answered as order %s, and later as %s", op.Key, answered[op.Key], op.Code)
		}
	}
	placed := map[[2]string]string{}
	for _, o := range b.Placed {
		key := [2]string{o.Client, o.Key}
		if other, again := placed[key]; again && o.Key != "" {
			return found("orders %s and %s were both placed with key %s", other, o.ID, o.Key)
		}
		placed[key] = o.ID
	}
	if len(keys) == 0 {
		return silent()
	}
	return held("%d keys in %d attempts", len(keys), len(b.Ops))
}

// deniesKey reports whether an answer says that the key has no order, or another one.
func deniesKey(op load.Op) bool {
	return op.Outcome == load.SoldOut || slices.Contains([]string{"not_found", "invalid", "idempotency_mismatch"}, op.Code)
}

// noOrphans checks that each order in the database has a sale in the ledger, and each sale an
// order.
func noOrphans(b *books) (Verdict, string) {
	if b.Placed == nil {
		return silent()
	}
	placed := map[string]bool{}
	for _, o := range b.Placed {
		placed[o.ID] = true
		if b.lines[o.ID] == 0 {
			return found("order %s is placed and took nothing", o.ID)
		}
	}
	for _, m := range b.Ledger {
		if m.Reason == sale && !placed[m.OrderID] {
			return found("version %d%s is a sale to order %s, which is not there", m.Version, (&book{sku: m.SKU}).of(), m.OrderID)
		}
	}
	return held("%d orders", len(b.Placed))
}
