package audit

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"orderd/loadtest/load"
)

// Bounds of the searches. The linear checks are a proof of their own; the searches are an
// independent second opinion, worth their cost only while it is small. Each order of unknown
// outcome doubles the work.
const (
	searchLimit   = 10 * time.Second
	searchOrders  = 2_000
	searchUnknown = 12
	searchCameIn  = 200 // movements; each may have happened at any time
)

// back is the outcome of a movement that adds units: the ledger reports it, not a client.
const back load.Outcome = "back"

// An answer is what the model of a SKU has to explain. left is ignored for refusals and
// unknown outcomes.
type answer struct {
	outcome        load.Outcome
	quantity, left int64
}

// tooLong reports whether the history exceeds the bounds of the searches.
func (b *books) tooLong() bool {
	cameIn := 0
	for _, one := range b.skus {
		for _, m := range one.driven() {
			if m.Reason != sale {
				cameIn++
			}
		}
	}
	return len(b.orders) > searchOrders || b.count(load.Unknown) > searchUnknown || cameIn > searchCameIn
}

// linearizable searches for a sequence of the sales, each within the interval of its order,
// in which a plain counter gives every answer.
func linearizable(b *books) (Verdict, string) {
	if b.tooLong() {
		return Undecided, fmt.Sprintf("%d orders, %d of unknown outcome, and %d movements are too many to search; the checks above stand alone",
			len(b.orders), b.count(load.Unknown), len(b.Ledger))
	}
	deadline := time.Now().Add(searchLimit)
	searched := 0
	for _, one := range b.skus {
		if len(one.ledger) == 0 {
			continue
		}
		history := b.history(one)
		searched += len(history)
		switch porcupine.CheckOperationsTimeout(one.counter(), history, max(1, time.Until(deadline))) {
		case porcupine.Illegal:
			return found("no sequence explains the %d answers%s", len(history), one.of())
		case porcupine.Unknown:
			return Undecided, fmt.Sprintf("the search of %d answers%s did not end in %v", len(history), one.of(), searchLimit)
		case porcupine.Ok:
		}
	}
	return held("%d answers", searched)
}

// counter models a correct SKU: it sells what it has and never more.
func (b *book) counter() porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{b.ledger[0].OnHand} },
		Step: func(state, _, output any) []any {
			level, a := state.(int64), output.(answer)
			enough := level >= a.quantity
			switch {
			case a.outcome == back && level+a.quantity == a.left:
				return []any{a.left}
			case a.outcome == load.SoldOut && !enough:
				return []any{level}
			case a.outcome == load.Confirmed && enough && level-a.quantity == a.left:
				return []any{a.left}
			case a.outcome == load.Unknown && enough:
				return []any{level, level - a.quantity}
			case a.outcome == load.Unknown:
				return []any{level}
			default:
				return nil
			}
		},
	}
	return model.ToModel()
}

// history returns what the search has to explain of a SKU. Orders that were refused for other
// reasons than stock had no effect, and of a refused cart nobody knows which line was short:
// both are left out.
func (b *books) history(of *book) []porcupine.Operation {
	var history []porcupine.Operation
	for _, m := range of.driven() {
		if m.Reason != sale {
			w := b.when(m)
			history = append(history, porcupine.Operation{
				Call: int64(w.from), Return: int64(w.to), Output: answer{back, m.Delta, m.OnHand},
			})
		}
	}
	for _, d := range of.demands {
		op := porcupine.Operation{
			ClientId: d.op.Client, Call: int64(d.op.Call), Return: int64(d.op.Return),
			Output: answer{d.op.Outcome, d.quantity, d.left},
		}
		switch d.op.Outcome {
		case load.Confirmed:
		case load.SoldOut:
			if len(d.op.Lines) > 1 {
				continue
			}
			op.Call -= int64(TruthAge)
		case load.Unknown:
			op.Return = forever // it may still be placed
		case load.Busy, load.Failed:
			continue
		}
		history = append(history, op)
	}
	return history
}

// A turn is an acquire or a release of a lease, given by its number.
type turn struct {
	lease   int
	acquire bool
	token   int64
}

// A holder is the state of the lock: the lease that holds it, -1 for none, and the newest
// token.
type holder struct {
	lease int
	token int64
}

// oneHolder searches for a sequence of acquires and releases, each acquire between Asked and
// Entered, in which the lock is never granted while it is held, nor with a token that is not
// new.
func oneHolder(b *books) (Verdict, string) {
	switch {
	case len(b.Leases) == 0:
		return silent()
	case len(b.Leases) > searchOrders/2: // the search's time grows with their square
		return silent()
	}
	deadline := time.Now().Add(searchLimit)
	for _, leases := range b.leases() {
		var history []porcupine.Operation
		for i, l := range leases {
			history = append(history,
				porcupine.Operation{ClientId: i, Input: turn{i, true, l.Token}, Call: int64(min(l.Asked, l.Entered)), Return: int64(l.Entered)},
				porcupine.Operation{ClientId: i, Input: turn{i, false, 0}, Call: int64(l.Left), Return: int64(l.Left)})
		}
		switch porcupine.CheckOperationsTimeout(mutex, history, max(1, time.Until(deadline))) {
		case porcupine.Illegal:
			return found("no sequence of one holder at a time explains the %d leases", len(leases))
		case porcupine.Unknown:
			return Undecided, fmt.Sprintf("the search of %d leases did not end in %v", len(leases), searchLimit)
		case porcupine.Ok:
		}
	}
	return held("%d leases", len(b.Leases))
}

// mutex models a correct lock.
var mutex = porcupine.Model{
	Init: func() any { return holder{-1, 0} },
	Step: func(state, input, _ any) (bool, any) {
		now, t := state.(holder), input.(turn)
		switch {
		case !t.acquire:
			return now.lease == t.lease, holder{-1, now.token}
		case now.lease != -1 || t.token != 0 && t.token <= now.token:
			return false, now
		default:
			return true, holder{t.lease, max(now.token, t.token)}
		}
	},
}
