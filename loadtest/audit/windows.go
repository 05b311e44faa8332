package audit

import (
	"time"

	"orderd/loadtest/load"
)

// A window is when something happened at the earliest, and at the latest.
type window struct{ from, to time.Duration }

// An actKey names what the movements of an act have in common: a restock's reason,
// or the order that was cancelled.
type actKey struct{ reason, order string }

// actsOf tells when the restocks and cancels happened, as those saw it who asked
// for them: not before the first attempt, and not after the first answer that says
// so, if there is one.
func actsOf(r Records) map[actKey]window {
	windows := map[actKey]window{}
	for i := range r.Acts {
		act := &r.Acts[i]
		var key actKey
		switch {
		case act.Outcome == load.Failed:
			continue
		case act.Deed == load.Restock:
			key = actKey{reason: act.Reason}
		case act.Deed == load.Cancel:
			key = actKey{cancelled, act.OrderID}
		default:
			continue
		}
		w, again := windows[key]
		if !again {
			w = window{act.Call, forever}
		}
		w.from = min(w.from, act.Call)
		// A cancel that found the hold over already was answered as that.
		if act.Outcome == load.Confirmed && (act.Deed == load.Restock || act.State == "cancelled") {
			w.to = min(w.to, act.Return)
		}
		windows[key] = w
	}
	return windows
}

// when returns when a movement was made, as far as somebody was told. An order that
// gave its units back took them before; nobody was told of a hold's end.
func (b *books) when(m load.Movement) window {
	w := window{longAgo, forever}
	if op := b.told[m.OrderID]; op != nil {
		w.from = op.Call
		if m.Reason == sale {
			w.to = op.Return
		}
	}
	key := actKey{reason: m.Reason}
	if m.Reason == cancelled {
		key.order = m.OrderID
	}
	if act, known := b.acts[key]; known {
		w.from, w.to = max(w.from, act.from), min(w.to, act.to)
	}
	return w
}
