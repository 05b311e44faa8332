package report

import "orderd/loadtest/audit"

// Conclude sets the verdict from the invariants, where others were added to the
// audit's: an oversell stands by itself if the books are right, everything else
// only with all of them.
func (c *Cell) Conclude() {
	books := audit.Held
	for _, i := range c.Invariants[1:] {
		if i.Verdict == audit.Violated || i.Verdict == audit.Undecided && books == audit.Held {
			books = i.Verdict
		}
	}
	c.Verdict = books
	if books == audit.Held {
		c.Verdict = c.Invariants[0].Verdict
	}
	wanted := map[Expectation]audit.Verdict{Hold: audit.Held, Break: audit.Violated}
	c.Met = books == audit.Held && (c.Verdict == wanted[c.Expectation] ||
		c.Expectation == Either && c.Verdict != audit.Undecided)
}

// Conclude sets the verdict of the whole run from its cells.
func (r *Result) Conclude() {
	r.Verdict = audit.Held
	for _, c := range r.Cells {
		switch {
		case c.Met:
		case c.Verdict == audit.Undecided && r.Verdict == audit.Held:
			r.Verdict = audit.Undecided
		case c.Verdict != audit.Undecided:
			r.Verdict = audit.Violated
		}
	}
}
