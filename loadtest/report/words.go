package report

import (
	"fmt"
	"strings"

	"orderd/loadtest/audit"
)

// Words says what became of a cell, and whether that was expected.
func (c Cell) Words() string {
	if !c.Met {
		return "NOT AS EXPECTED: " + c.plain()
	}
	return c.plain() + ", as expected"
}

func (c Cell) plain() string {
	for _, i := range c.Invariants[1:] {
		if i.Verdict == audit.Violated {
			return "the books are wrong"
		}
	}
	switch c.Verdict {
	case audit.Violated:
		return fmt.Sprintf("oversold by %d", c.Oversold)
	case audit.Held:
		return "held"
	default:
		return "undecided"
	}
}

// Wrong returns the evidence for everything about the cell that is not as it
// should be.
func (c Cell) Wrong() []string {
	var wrong []string
	for n, i := range c.Invariants {
		if i.Verdict == audit.Held || n == 0 && c.Expectation != Hold {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s: %s: %s", i.Verdict, i.Name, i.Evidence))
	}
	return wrong
}

// Story tells in sentences what a run has shown, from its cells alone.
func Story(r Result) []string {
	var broke, held, constrained, alone []string
	for _, c := range r.Cells {
		name := fmt.Sprintf("%s × %d", c.Lock, c.Replicas)
		switch {
		case c.Verdict == audit.Undecided:
		case c.Clients == 1 && c.Verdict == audit.Held:
			alone = append(alone, name)
		case c.Verdict == audit.Violated:
			broke = append(broke, fmt.Sprintf("%s (by %d)", name, c.Oversold))
		case c.Guard == "predicate" && c.Lock == "none":
			constrained = append(constrained, name)
		case c.Guard == "none":
			held = append(held, name)
		}
	}
	var story []string
	tell := func(cells []string, format string) {
		if len(cells) > 0 {
			story = append(story, fmt.Sprintf(format, strings.Join(cells, ", ")))
		}
	}
	tell(broke, "Sold more than there was: %s. Nothing in the way of two orders that looked at the same unit.")
	tell(held, "Held by the lock alone: %s. Everyone who sells has to wait for the same lock.")
	tell(constrained, "Held without any lock: %s with guard predicate. The database refuses the unit that is not there.")
	tell(alone, "With one client at a time there is no race, and the same unsafe setups are right: %s.")
	return story
}
