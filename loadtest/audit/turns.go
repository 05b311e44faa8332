package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"orderd/loadtest/load"
)

// tokensGrow checks that no sale was written with an older token than the sale before it, and
// that no two replicas used the same one. The orders of a group share their lease, and so its
// token.
func tokensGrow(b *books) (Verdict, string) {
	tokens, without := map[int64]bool{}, 0
	wrong := b.each(func(one *book) string {
		var before load.Movement
		for _, m := range one.driven() {
			if m.Reason == sale && m.Token == 0 {
				without++
			}
			if m.Reason != sale || m.Token == 0 {
				continue
			}
			tokens[m.Token] = true
			switch {
			case m.Token < before.Token:
				return fmt.Sprintf("version %d%s was written with token %d by %s, after version %d with token %d by %s",
					m.Version, one.of(), m.Token, m.Replica, before.Version, before.Token, before.Replica)
			case m.Token == before.Token && m.Replica != before.Replica:
				return fmt.Sprintf("%s and %s both wrote with token %d, versions %d and %d%s",
					before.Replica, m.Replica, m.Token, before.Version, m.Version, one.of())
			}
			before = m
		}
		return ""
	})
	switch {
	case wrong != "":
		return Violated, wrong
	case b.Tokens && without > 0:
		return found("%d sales have no token", without)
	case len(tokens) == 0:
		return silent()
	default:
		return held("%d tokens", len(tokens))
	}
}

// turnsApart checks that no two leases of a key overlap, as their holders saw them, and
// counts those that do.
func turnsApart(b *books) (Verdict, string) {
	if len(b.Leases) == 0 {
		return silent()
	}
	overlaps := 0
	var first, second Lease
	for _, leases := range b.leases() {
		holder := leases[0] // the one that leaves last of those that have entered
		for _, l := range leases[1:] {
			if l.Entered < holder.Left {
				if overlaps++; overlaps == 1 {
					first, second = holder, l
				}
			}
			if l.Left > holder.Left {
				holder = l
			}
		}
	}
	if overlaps == 0 {
		return held("%d leases", len(b.Leases))
	}
	both := min(first.Left, second.Left) - second.Entered
	return found("%d of %d leases began while another was held; the first: %s, and %s: both for %s",
		overlaps, len(b.Leases), first, second, ms(both))
}

// leases returns the leases of each key, sorted by when they were entered; keys are sorted,
// too.
func (b *books) leases() [][]Lease {
	byKey := map[string][]Lease{}
	for _, l := range b.Leases {
		byKey[l.Key] = append(byKey[l.Key], l)
	}
	var keys [][]Lease
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		slices.SortStableFunc(byKey[key], func(x, y Lease) int { return cmp.Compare(x.Entered, y.Entered) })
		keys = append(keys, byKey[key])
	}
	return keys
}
