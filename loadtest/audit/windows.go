package audit

import (
	"time"

	"orderd/loadtest/load"
)

// A window is the earliest and the latest moment at which something may have happened.
type window struct{ from, to time.Duration }

// An actKey is what the movements of an act have in common: a restock's reason, or the reason
// of a cancel and its order.
type actKey struct{ reason, order string }

// actsOf returns when the restocks and cancels may have happened, as their clients saw it:
// not before the first attempt, and not after the first answer that confirms it, if there is
// one.
func actsOf(r Records) map[actKey]window {
	windows := map[actKey]window{}
	for i := range r.Acts {
		act := &r.Acts[i]
		var key actKey
		switch {
		case act.Outcome == load.Failed:
			continue
		case act.Kind == load.Restock:
			key = actKey{reason: act.Reason}
		case act.Kind == load.Cancel:
			key = actKey{cancelled, act.OrderID}
		default:
			continue
		}
		w, again := windows[key]
		if !again {
			w = window{act.Call, forever}
		}
		w.from = min(w.from, act.Call)
		// A cancel that found the hold expired was answered so, and returned nothing.
		if act.Outcome == load.Confirmed && (act.Kind == load.Restock || act.State == "cancelled") {
			w.to = min(w.to, act.Return)
		}
		windows[key] = w
	}
	return windows
}

// when returns the window of a movement, as far as clients were told. Units are not returned
// before the call of the order that took them; of a hold's expiry no client is told.
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
