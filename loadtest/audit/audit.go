// Package audit judges a finished drive by its clients' history and the ledger. It is pure:
// it uses no server and no clock, and the same records give the same verdicts, except that
// the searches have a time limit. It shares no code with orderd.
package audit

import "fmt"

// A Verdict is what the records prove. Undecided never counts as Held.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"
	Violated  Verdict = "violated"
	Undecided Verdict = "undecided"
)

// An Invariant is one thing that must be true, and whether it was. Evidence says what was
// checked, or names the first violation.
type Invariant struct {
	Name     string  `json:"name"`
	Verdict  Verdict `json:"verdict"`
	Evidence string  `json:"evidence"`
}

// A Judgement is the verdict on a drive. Oversold and Undersold are in units.
type Judgement struct {
	Oversold   int64       `json:"oversold"`
	Undersold  int64       `json:"undersold"`
	Invariants []Invariant `json:"invariants"` // NeverOversold first; those for which there is no data are left out
	// Counted are invariants that are reported but decide nothing: those of a lock that may
	// fail in this drive, and the search of a history that is too long.
	Counted []Invariant `json:"counted,omitempty"`
	// Trace explains in a few sentences, if more was sold than was there, which two orders
	// took the same unit, and who held the lock meanwhile.
	Trace []string `json:"trace,omitempty"`
}

// Names of invariants.
const (
	// NeverOversold is the invariant that locks and guards are there for. It is the only one
	// that a race in an unsafe setup may break: the others must hold in every drive, oversold
	// or not, or the records are not worth judging.
	NeverOversold = "never sold what was not there"

	AddsUp          = "the ledger adds up, version by version"
	ConfirmedExist  = "every confirmed order is in the ledger, once and as answered"
	SalesWereAsked  = "every sale in the ledger was ordered"
	ReturnedOnce    = "every return matches an earlier sale, and happened once"
	ActsWritten     = "every cancel, confirm and restock is in the ledger as it was answered, and no other"
	RefusalsTrue    = "every refusal as sold out was true"
	RealTime        = "the sequence of sales respects real time"
	NoneBroken      = "no request failed because of a bug"
	PutToTheTest    = "the run exercised what it tests"
	OncePerKey      = "one order for each idempotency key"
	NoOrphans       = "no order without its movements, no movement without its order"
	NothingHeld     = "no lock and no transaction is left behind"
	QuickLevelRight = "the level in Redis converges to that in Postgres"
	Progress        = "orders are decided again after the fault"
	TokensGrow      = "tokens grow from lease to lease" //nolint:gosec // G101: no credential
	TurnsApart      = "critical sections do not overlap"
	Linearizable    = "a search finds a sequence of sales that explains every answer"
	OneHolder       = "a search finds a sequence of leases with one holder at a time"
)

// A check decides one invariant. Its verdict is empty if the records have no data for it.
type check struct {
	name string
	look func(*books) (Verdict, string)
}

// gated are the checks that must hold in every drive, except the first.
var gated = []check{
	{NeverOversold, neverOversold},
	{AddsUp, addsUp},
	{ConfirmedExist, confirmedAreWritten},
	{SalesWereAsked, writtenWereOrdered},
	{ReturnedOnce, returnedOnce},
	{ActsWritten, actsAreWritten},
	{RefusalsTrue, soldOutWasTrue},
	{RealTime, respectsRealTime},
	{NoneBroken, noneBroken},
	{PutToTheTest, putToTheTest},
	{OncePerKey, oncePerKey},
	{NoOrphans, noOrphans},
	{NothingHeld, nothingHeld},
	{QuickLevelRight, quickLevelConverges},
	{Progress, progress},
}

// turns are the checks of the lock itself. They decide only where nothing but the lock
// protects the stock; elsewhere they are only reported.
var turns = []check{
	{TokensGrow, tokensGrow},
	{TurnsApart, turnsApart},
	{OneHolder, oneHolder},
}

// Judge judges a drive.
func Judge(r Records) Judgement {
	b := open(r)
	j := Judgement{Oversold: b.oversold(), Undersold: b.undersold()}
	add := func(c check, counted bool) {
		if verdict, evidence := c.look(b); verdict != "" {
			list := &j.Invariants
			if counted {
				list = &j.Counted
			}
			*list = append(*list, Invariant{c.name, verdict, evidence})
		}
	}
	for _, c := range gated {
		add(c, false)
	}
	sound := j.Stock() != Violated && j.Books() != Violated
	for _, c := range turns {
		add(c, !r.Exclusive)
	}
	if sound { // on a history that is known to be wrong the search would take for ever
		add(check{Linearizable, linearizable}, b.tooLong())
	}
	if j.Invariants[0].Verdict == Violated {
		j.Trace = b.trace()
	}
	return j
}

// Stock is the verdict on NeverOversold as far as the other invariants support one: Violated
// stands by itself, Held needs all the others.
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

// found returns a violation with its evidence.
func found(format string, args ...any) (Verdict, string) {
	return Violated, fmt.Sprintf(format, args...)
}

// held returns Held, and says what was checked.
func held(format string, args ...any) (Verdict, string) {
	return Held, fmt.Sprintf(format, args...)
}

// silent is the result of a check for which the records have no data.
func silent() (Verdict, string) { return "", "" }
