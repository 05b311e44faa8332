package selftest

import (
	"context"

	"orderd/loadtest/audit"
)

// A Finding is how the audit did on one bug: of Seeds histories the bug made a difference in
// Struck, and the invariant named it (PutToTheTest: was undecided) in Caught of those. For the clean shop, Caught counts
// the histories that passed.
type Finding struct {
	Bug       Bug           `json:"bug"`
	Invariant string        `json:"invariant"` // that must name it
	Seeds     int           `json:"seeds"`
	Struck    int           `json:"struck"`
	Caught    int           `json:"caught"`
	Verdict   audit.Verdict `json:"verdict"`
	Evidence  string        `json:"evidence"` // of the first catch, or of the last miss
}

// Run tests the audit on the clean shop and on every bug, each with the same seeds. It fails
// if ctx ends.
func Run(ctx context.Context, seed uint64, seeds int) ([]Finding, error) {
	findings := make([]Finding, 0, len(trials)+1)
	for _, t := range append([]trial{{bug: None}}, trials...) {
		f := Finding{Bug: t.bug, Invariant: t.must, Seeds: seeds}
		for n := range seeds {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			t.try(&f, seed+uint64(n))
		}
		f.conclude()
		findings = append(findings, f)
	}
	return findings, nil
}

// try judges one history.
func (t trial) try(f *Finding, seed uint64) {
	records, struck := open(seed, t.bug)
	switch {
	case t.edit != nil:
		t.edit(&records)
	case t.bug != None && !struck:
		return
	}
	f.Struck++
	judgement := audit.Judge(records)
	caught, evidence := judgement.Stock() == audit.Held, ""
	if t.bug != None {
		caught, evidence = false, "the invariant does not name it"
	}
	for _, i := range judgement.Invariants {
		switch {
		case t.bug == None && i.Verdict != audit.Held:
			caught, evidence = false, string(i.Verdict)+": "+i.Name+": "+i.Evidence
		case i.Name == t.must && (i.Verdict == audit.Violated || i.Verdict == audit.Undecided && t.must == audit.PutToTheTest):
			caught, evidence = true, i.Evidence
		}
	}
	if caught {
		f.Caught++
	}
	if f.Evidence == "" || !caught {
		f.Evidence = evidence
	}
}

func (f *Finding) conclude() {
	switch {
	case f.Struck == 0:
		f.Verdict = audit.Undecided
	case f.Caught < f.Struck:
		f.Verdict = audit.Violated
	default:
		f.Verdict = audit.Held
	}
}
