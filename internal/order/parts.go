package order

import (
	"context"
	"time"
)

// mixedPatience is how long a group waits for the lease on the SKUs of all its orders. It
// is many times as long as another replica's turn: when it is over, one of the SKUs is
// probably held by a replica that is dead or paused. The orders for the others must not
// wait for that.
const mixedPatience = 100 * time.Millisecond

// patience is how long the group waits for its lease.
func (t *turn) patience(group []*waiter, keys []string) time.Duration {
	if t.mixed(group, keys) {
		return min(mixedPatience, t.service.LockWait)
	}
	return t.service.LockWait
}

// mixed reports whether it may help to place the group in parts: an order wants a SKU that
// the first does not.
func (t *turn) mixed(group []*waiter, keys []string) bool {
	return !t.part && len(keys) > len(group[0].Lines)
}

// placeInParts places a group that did not get its lease, or was not written because of an error
// that nobody expected, in parts without common SKUs, each with a lease of its own, for which it waits as long as any order does. The lane goes on
// meanwhile.
func (t *turn) placeInParts(group []*waiter) {
	for _, part := range parts(group) {
		t.lane.runs.Go(func() {
			own := &turn{service: t.service, lane: t.lane, part: true}
			own.placeGroup(part)
			own.end(context.Background())
		})
	}
}

// parts splits a group into parts that have no SKU in common, in the order of their first
// orders. Orders that share a SKU keep their order.
func parts(group []*waiter) [][]*waiter {
	var parts [][]*waiter
	of := map[string]int{} // the part that a SKU's orders are in
	for _, w := range group {
		at := len(parts)
		for _, line := range w.Lines {
			if n, ok := of[line.SKU]; ok {
				at = min(at, n)
			}
		}
		if at == len(parts) {
			parts = append(parts, nil)
		}
		for _, line := range w.Lines {
			if n, ok := of[line.SKU]; ok && n != at {
				parts[at], parts[n] = append(parts[at], parts[n]...), nil
				for sku, m := range of {
					if m == n {
						of[sku] = at
					}
				}
			}
			of[line.SKU] = at
		}
		parts[at] = append(parts[at], w)
	}
	kept := parts[:0]
	for _, p := range parts {
		if p != nil {
			kept = append(kept, p)
		}
	}
	return kept
}
