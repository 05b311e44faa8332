package audit

import (
	"fmt"
	"strings"

	"orderd/loadtest/load"
)

// String says which replica held the lock, and when.
func (l Lease) String() string {
	token := ""
	if l.Token != 0 {
		token = fmt.Sprintf(" with token %d", l.Token)
	}
	key := ""
	if l.Key != "" {
		key = " of " + l.Key
	}
	return fmt.Sprintf("%s held the lock%s%s from %s to %s", l.Replica, key, token, ms(l.Entered), ms(l.Left))
}

// trace explains the first unit that was sold twice: the order that took it first, the order
// that took it again, and the leases they were sold under.
func (b *books) trace() []string {
	for _, one := range b.skus {
		for i, m := range one.ledger {
			if m.OnHand >= 0 || i == 0 {
				continue
			}
			first := one.ledger[one.lastEnough(i)+1]
			return b.tell(one, first, m)
		}
	}
	return nil
}

// lastEnough returns the index of the last version before the ith with enough for the ith's
// order: the newest level that a correct check can have seen. It is i-1 if none had enough.
func (b *book) lastEnough(i int) int {
	for j := i - 1; j >= 0; j-- {
		if b.ledger[j].OnHand >= -b.ledger[i].Delta {
			return j
		}
	}
	return i - 1
}

func (b *books) tell(one *book, first, second load.Movement) []string {
	if first.Version == second.Version {
		return []string{fmt.Sprintf("%s took %s%s of the %d that there were, which no check should let pass.",
			b.who(second), plural(-second.Delta, "unit"), one.of(), second.OnHand-second.Delta)}
	}
	story := []string{
		fmt.Sprintf("%s took the last of what there was%s: %d left at version %d.", b.who(first), one.of(), first.OnHand, first.Version),
		fmt.Sprintf("%s took the same again: %d left at version %d.", b.who(second), second.OnHand, second.Version),
	}
	x, y := b.told[first.OrderID], b.told[second.OrderID]
	if x != nil && y != nil {
		if from, to := max(x.Call, y.Call), min(x.Return, y.Return); from <= to {
			story = append(story, fmt.Sprintf("Both orders were under way from %s to %s.", ms(from), ms(to)))
		} else {
			story = append(story, "The two orders were never under way at once: the second trusted a level that was old.")
		}
	}
	for _, l := range b.Leases {
		for _, m := range []load.Movement{first, second} {
			if l.Key == one.sku && l.Replica == m.Replica && (m.Token == l.Token || m.Token == 0) && b.during(l, m) {
				story = append(story, l.String()+".")
				break
			}
		}
	}
	return story
}

// during reports whether m may have been written under the lease, judging by the times of m's
// order if its client knows it.
func (b *books) during(l Lease, m load.Movement) bool {
	op := b.told[m.OrderID]
	return op == nil || l.Entered <= op.Return && l.Left >= op.Call
}

// who names an order by what is known of it.
func (b *books) who(m load.Movement) string {
	s := "Order " + m.OrderID
	if m.Replica != "" {
		s += " at " + m.Replica
	}
	if m.Token != 0 {
		s += fmt.Sprintf(" with token %d", m.Token)
	}
	if op := b.told[m.OrderID]; op != nil {
		s += fmt.Sprintf(", sent at %s and answered at %s,", ms(op.Call), ms(op.Return))
	}
	return s
}

// units says what an order asked for.
func units(op *load.Op) string {
	if len(op.Lines) == 0 {
		return plural(op.Quantity, "unit")
	}
	var lines []string
	for _, l := range op.Lines {
		lines = append(lines, fmt.Sprintf("%d of %s", l.Quantity, l.SKU))
	}
	return strings.Join(lines, ", ")
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
