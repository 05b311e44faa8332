package report

import "orderd/loadtest/audit"

// Conclude sets the verdict from the invariants, the audit's and those that were added: the
// verdict on overselling stands only if all others hold. Only an oversell that was not
// expected stands by itself, whatever else is undecided. The expectation is met only if the
// others hold: an oversell that the records do not prove is none.
func (c *Cell) Conclude() {
	j := audit.Judgement{Invariants: c.Invariants}
	books := j.Books()
	c.Verdict = books
	if books == audit.Held || c.Expectation == Hold && c.Oversell() {
		c.Verdict = c.Invariants[0].Verdict
	}
	wanted := map[Expectation]audit.Verdict{Hold: audit.Held, Break: audit.Violated}
	c.Met = books == audit.Held && c.Tries.agree(c.Expectation) &&
		(c.Verdict == wanted[c.Expectation] || c.Expectation == Either && c.Verdict != audit.Undecided)
}

// Oversell reports whether units were sold that were not there: a cell may also be violated
// because its books are wrong.
func (c *Cell) Oversell() bool {
	return len(c.Invariants) > 0 && c.Invariants[0].Verdict == audit.Violated
}

// Conclude sets the verdict of the whole run from its cells. Without cells it is undecided:
// nothing was put to the test.
func (r *Result) Conclude() {
	r.Verdict = audit.Held
	if len(r.Cells) == 0 {
		r.Verdict = audit.Undecided
	}
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
