package audit

import (
	"fmt"

	"orderd/loadtest/load"
)

// returns reports whether the movement gives back an order's units: by a cancel, or because a
// hold expired.
func returns(m load.Movement) bool { return m.Reason == cancelled || m.Reason == expired }

// cameIn is how many units were added to the SKU during the drive, by returns and restocks.
func (b *book) cameIn() (units int64) {
	for _, m := range b.driven() {
		units += max(0, m.Delta)
	}
	return units
}

// returnedOnce checks that units came back only after their sale, as many as it took, once,
// and those of a cart all or none.
func returnedOnce(b *books) (Verdict, string) {
	back := map[saleKey]bool{}
	lines := map[string]int{} // how many SKUs an order has returned
	wrong := b.each(func(one *book) string {
		for _, m := range one.driven() {
			if !returns(m) {
				continue
			}
			key := saleKey{m.SKU, m.OrderID}
			switch taken, ok := b.sales[key]; {
			case !ok || taken.Version > m.Version:
				return fmt.Sprintf("version %d%s returns units of order %s, which had taken none", m.Version, one.of(), m.OrderID)
			case m.Delta != -taken.Delta:
				return fmt.Sprintf("version %d%s returns %d units of order %s, which had taken %d", m.Version, one.of(), m.Delta, m.OrderID, -taken.Delta)
			case back[key]:
				return fmt.Sprintf("version %d%s returns the units of order %s a second time", m.Version, one.of(), m.OrderID)
			}
			back[key] = true
			lines[m.OrderID]++
		}
		return ""
	})
	if wrong != "" {
		return Violated, wrong
	}
	for order, n := range lines {
		if n != b.lines[order] {
			return found("order %s took units of %d SKUs and returned those of %d", order, b.lines[order], n)
		}
	}
	if len(lines) == 0 {
		return silent()
	}
	return held("%d orders returned their units", len(lines))
}
