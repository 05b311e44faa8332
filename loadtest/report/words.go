package report

import (
	"fmt"
	"slices"
	"strings"

	"orderd/loadtest/audit"
	"orderd/loadtest/modes"
)

// Words says what became of a cell, and whether that was expected.
func (c *Cell) Words() string {
	switch {
	case c.broken(notOfTheBooks...):
		return "AN INVARIANT FAILED"
	case c.broken(audit.NeverOversold) && c.Oversold == 0:
		return "TWO HELD THE LOCK"
	case c.Met:
		return c.plain() + ", as expected"
	default:
		return c.plain() + ": NOT EXPECTED"
	}
}

func (c *Cell) plain() string {
	switch c.Verdict {
	case audit.Violated:
		if !c.Oversell() {
			return "wrong"
		}
		return "oversold"
	case audit.Held:
		return "held"
	default:
		return "undecided"
	}
}

// notOfTheBooks are the invariants that may be violated although the ledger is sound.
var notOfTheBooks = []string{audit.NeverOversold, audit.TokensGrow, audit.TurnsApart, audit.OneHolder}

// broken reports whether an invariant other than those is violated.
func (c Cell) broken(besides ...string) bool {
	return slices.ContainsFunc(c.Invariants, func(i audit.Invariant) bool {
		return i.Verdict == audit.Violated && !slices.Contains(besides, i.Name)
	})
}

// Wrong returns the evidence for everything about the cell that is not as it
// should be.
func (c Cell) Wrong() []string {
	var wrong []string
	if c.Expectation == Break && c.Verdict == audit.Held {
		wrong = append(wrong, "it was expected to oversell and did not: the race was not close enough, or the lock is better than thought")
	}
	for _, i := range c.Invariants {
		if i.Verdict == audit.Held || i.Name == audit.NeverOversold && c.Expectation != Hold {
			continue
		}
		wrong = append(wrong, fmt.Sprintf("%s: %s: %s", i.Verdict, i.Name, i.Evidence))
	}
	return wrong
}

// storyOf tells in sentences what a run has shown, from its cells alone.
func storyOf(r Result) []string {
	var broke, held, constrained, alone []string
	for _, c := range r.Cells {
		if c.Fault != "" {
			continue
		}
		name := fmt.Sprintf("%s × %d", c.Lock, c.Replicas)
		switch {
		case c.broken(audit.NeverOversold) || c.Verdict == audit.Undecided: // no verdict to report
		case c.Clients == 1 && c.Verdict == audit.Held:
			alone = append(alone, name)
		case c.Oversell():
			broke = append(broke, fmt.Sprintf("%s (by %d)", name, c.Oversold))
		case c.Guard == modes.Predicate && c.Lock == modes.None:
			constrained = append(constrained, name)
		case c.Guard == modes.Unguarded:
			held = append(held, name)
		}
	}
	story := faultStory(r.Cells)
	tell := func(cells []string, format string) {
		if len(cells) > 0 {
			story = append(story, fmt.Sprintf(format, strings.Join(cells, ", ")))
		}
	}
	tell(broke, "Sold more than there was: %s. No shared lock stood between two orders that saw the same unit.")
	tell(held, "Held by the lock alone: %s. Whoever sells waits for the same lock.")
	tell(constrained, "Held without any lock: %s with guard predicate. The database refuses the unit that is not there.")
	tell(alone, "With one client at a time there is no race, and the same unsafe setups are right: %s.")
	return story
}

// faultStory says how often each guard was oversold.
func faultStory(cells []Cell) []string {
	var guards []string
	total, broke := map[string]int{}, map[string]int{}
	for _, c := range cells {
		if c.Fault == "" || c.Verdict == audit.Undecided {
			continue
		}
		if total[c.Guard]++; total[c.Guard] == 1 {
			guards = append(guards, c.Guard)
		}
		if c.Oversell() {
			broke[c.Guard]++
		}
	}
	if len(guards) == 0 {
		return nil
	}
	for i, guard := range guards {
		guards[i] = fmt.Sprintf("with guard %s %d of %d", guard, broke[guard], total[guard])
	}
	story := []string{"Cells that sold more than there was: " + strings.Join(guards, ", ") + "."}
	if n := total[modes.Predicate]; n > 0 && broke[modes.Predicate] == 0 {
		story = append(story, "A lock buys efficiency, a constraint buys correctness: whatever was done to the lock, the predicate in Postgres never sold what was not there.")
	}
	return story
}
