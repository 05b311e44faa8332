package audit

import (
	"fmt"
	"slices"
	"strings"

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
	wrong := b.each(func(one *book) string {
		for _, d := range one.demands {
			if d.op.Outcome != load.Confirmed {
				continue
			}
			wanted[d.op.OrderID]++
			if wrong := b.asAnswered(one, d); wrong != "" {
				return wrong
			}
		}
		return ""
	})
	if wrong != "" {
		return Violated, wrong
	}
	for order, lines := range wanted {
		if b.lines[order] != lines {
			return found("order %s was placed for %d SKUs and took units of %d", order, lines, b.lines[order])
		}
	}
	return held("%d confirmed orders", len(b.told))
}

func (b *books) asAnswered(one *book, d demand) string {
	m, ok := b.sales[saleKey{one.sku, d.op.OrderID}]
	if !ok {
		return fmt.Sprintf("order %d was confirmed as %q and is not in the ledger%s", d.op.Seq, d.op.OrderID, one.of())
	}
	if -m.Delta != d.quantity || m.OnHand != d.left || m.Version != d.version {
		return fmt.Sprintf("order %s was answered %d units%s, %d left, version %d; the ledger has %d, %d, %d",
			d.op.OrderID, d.quantity, one.of(), d.left, d.version, -m.Delta, m.OnHand, m.Version)
	}
	return ""
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
	wrong := b.each(func(one *book) string {
		for _, m := range one.driven() {
			if returns(m) || restocks[m.Reason] != nil {
				continue
			}
			if m.Reason != sale {
				return fmt.Sprintf("version %d%s is a %q: somebody else changed the SKU during the drive", m.Version, one.of(), m.Reason)
			}
			sales++
			if b.told[m.OrderID] == nil {
				untold[m.OrderID] = append(untold[m.OrderID], m)
			}
		}
		return ""
	})
	if wrong != "" {
		return Violated, wrong
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
			return found("version %d%s is a sale to order %s, which is not there", m.Version, ofSKU(m.SKU), m.OrderID)
		}
	}
	return held("%d orders", len(b.Placed))
}
