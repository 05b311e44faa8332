package audit

import (
	"fmt"
	"slices"

	"orderd/loadtest/load"
)

// oversold is how many more units were sold than ever came in: how far the levels are below
// zero at the end.
func (b *books) oversold() (units int64) {
	for _, one := range b.skus {
		units += max(0, -one.last())
	}
	return units
}

// undersold is how many units are left although an order that would have taken them was
// refused as sold out. Refused carts do not count, as nobody knows which line was short; nor
// do units that came in, perhaps after the last refusal.
func (b *books) undersold() (units int64) {
	for _, one := range b.skus {
		left := one.last() - one.cameIn()
		for _, d := range one.demands {
			if d.op.Outcome == load.SoldOut && len(d.op.Lines) < 2 && d.quantity <= left {
				units += left
				break
			}
		}
	}
	return units
}

// neverOversold checks every version and not only the last: a restock must not hide that more
// was sold than was there.
func neverOversold(b *books) (Verdict, string) {
	if len(b.Ledger) == 0 {
		return Undecided, "there is no ledger"
	}
	for _, m := range b.Ledger {
		if m.OnHand < 0 {
			return found("order %s took the level%s to %d at version %d, with token %d at replica %s; in the end %s too many had been sold",
				m.OrderID, ofSKU(m.SKU), m.OnHand, m.Version, m.Token, m.Replica, plural(b.oversold(), "unit"))
		}
	}
	if len(b.skus) > 1 {
		return held("%d versions of %d SKUs", len(b.Ledger), len(b.skus))
	}
	return held("%d versions, the last with %d left", len(b.Ledger), b.skus[0].last())
}

// addsUp checks that the drive began with the level that was set, that no version is missing
// or duplicated, that each level is the previous one plus the change, and that the SKU's row
// agrees with the ledger.
func addsUp(b *books) (Verdict, string) {
	wrong := b.each(func(one *book) string {
		if wrong := b.beganAsSet(one); wrong != "" {
			return wrong
		}
		for i := 1; i < len(one.ledger); i++ {
			before, m := one.ledger[i-1], one.ledger[i]
			if m.Version != before.Version+1 {
				return fmt.Sprintf("version %d%s is followed by version %d", before.Version, one.of(), m.Version)
			}
			if m.OnHand != before.OnHand+m.Delta {
				return fmt.Sprintf("version %d%s has %d left: %d before it and %+d make %d",
					m.Version, one.of(), m.OnHand, before.OnHand, m.Delta, before.OnHand+m.Delta)
			}
		}
		return b.rowFollows(one)
	})
	if wrong != "" {
		return Violated, wrong
	}
	return held("%d movements", len(b.Ledger))
}

// beganAsSet checks the level that the drive started from.
func (b *books) beganAsSet(one *book) string {
	for _, set := range b.Starts {
		switch {
		case set.SKU != one.sku:
		case len(one.ledger) == 0:
			return fmt.Sprintf("the level%s was set to %d, and its ledger is empty", one.of(), set.OnHand)
		case one.ledger[0].OnHand != set.OnHand:
			return fmt.Sprintf("the drive began with %d left%s at version %d: %d had been set",
				one.ledger[0].OnHand, one.of(), one.ledger[0].Version, set.OnHand)
		}
	}
	return ""
}

// rowFollows checks that the SKU's row has a version that is in the ledger, and that version's
// level. It was read after the last answer and before the ledger: what the ledger has beyond
// it was written in between, and nobody had been told of it.
func (b *books) rowFollows(one *book) string {
	for _, l := range b.Levels {
		if l.SKU != one.sku {
			continue
		}
		i := slices.IndexFunc(one.ledger, func(m load.Movement) bool { return m.Version == l.Version })
		if i < 0 {
			return fmt.Sprintf("the row%s is at version %d, which the ledger has not", one.of(), l.Version)
		}
		if m := one.ledger[i]; m.OnHand != l.OnHand {
			return fmt.Sprintf("the row%s has %d left at version %d, the ledger %d", one.of(), l.OnHand, l.Version, m.OnHand)
		}
		for _, m := range one.ledger[i+1:] {
			if b.when(m).to < forever {
				return fmt.Sprintf("the row%s is still at version %d, although its client had been told of version %d", one.of(), l.Version, m.Version)
			}
		}
	}
	return ""
}
