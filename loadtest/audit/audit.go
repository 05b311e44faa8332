// Package audit judges a finished drive from what its clients saw and what
// the ledger says. It is pure: the same records give the same verdicts, with
// no server and no clock. It shares no code with orderd.
package audit

import (
	"fmt"

	"orderd/loadtest/load"
)

// A Verdict is what the records prove. Undecided is never as good as Held.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"
	Violated  Verdict = "violated"
	Undecided Verdict = "undecided"
)

// Records are all that is known of a drive of one SKU.
type Records struct {
	Ops []load.Op
	// Ledger holds the SKU's movements in version order: the one that the
	// drive started from, and those after it.
	Ledger []load.Movement
	// Clients is how many clients the drive had at a time.
	Clients int
}

// An Invariant is one thing that must be true, and whether it was. Evidence
// says what was looked at, or the first thing that is wrong.
type Invariant struct {
	Name     string  `json:"name"`
	Verdict  Verdict `json:"verdict"`
	Evidence string  `json:"evidence"`
}

// A Judgement is the verdict on a drive. Oversold and Undersold are units.
type Judgement struct {
	Oversold   int64       `json:"oversold"`
	Undersold  int64       `json:"undersold"`
	Invariants []Invariant `json:"invariants"` // NeverOversold first
}

// NeverOversold is the invariant that locks and guards are there for. It is
// the only one that an honest race may break: the others must hold in every
// drive, the oversold ones too, or the records are not worth judging.
const NeverOversold = "never sold what was not there"

var checks = []struct {
	name  string
	check func(Records) (Verdict, string)
}{
	{NeverOversold, neverOversold},
	{"the ledger adds up, version by version", addsUp},
	{"every confirmed order is in the ledger, once and as answered", confirmedAreWritten},
	{"every sale in the ledger was ordered", writtenWereOrdered},
	{"every refusal as sold out was true", soldOutWasTrue},
	{"the sequence of sales respects real time", respectsRealTime},
	{"the drive put it to the test", putToTheTest},
}

// Judge judges a drive.
func Judge(r Records) Judgement {
	j := Judgement{Oversold: oversold(r.Ledger), Undersold: undersold(r)}
	for _, c := range checks {
		verdict, evidence := c.check(r)
		j.Invariants = append(j.Invariants, Invariant{c.name, verdict, evidence})
	}
	return j
}

// Stock is the verdict on NeverOversold, as far as the drive's other
// invariants allow one: Violated stands by itself, Held only with all others.
func (j Judgement) Stock() Verdict {
	if j.Invariants[0].Verdict != Held {
		return j.Invariants[0].Verdict
	}
	return j.Books()
}

// Books is the verdict on all the other invariants together.
func (j Judgement) Books() Verdict {
	verdict := Held
	for _, i := range j.Invariants[1:] {
		switch i.Verdict {
		case Violated:
			return Violated
		case Undecided:
			verdict = Undecided
		case Held:
		}
	}
	return verdict
}

// found is a violation in words.
func found(format string, args ...any) (Verdict, string) {
	return Violated, fmt.Sprintf(format, args...)
}

// held is how much was looked at, in words.
func held(format string, args ...any) (Verdict, string) {
	return Held, fmt.Sprintf(format, args...)
}
