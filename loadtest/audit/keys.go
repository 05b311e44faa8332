package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"orderd/loadtest/load"
)

// oncePerKey checks that all attempts with one key were answered with the same order, that none
// was denied it once it was written, and that the database has one order for each key.
func oncePerKey(b *books) (Verdict, string) {
	answered, digests := map[string]string{}, map[string]string{}
	since := map[string]time.Duration{} // when the client was first told that the order is placed
	keys := map[string]bool{}
	for _, op := range b.Ops {
		if op.Key == "" {
			continue
		}
		keys[op.Key] = true
		if op.Outcome != load.Confirmed {
			continue
		}
		if other, again := answered[op.Key]; again && other != op.OrderID {
			return found("key %s was answered as order %s and as order %s", op.Key, other, op.OrderID)
		}
		if other, again := digests[op.Key]; again && other != op.Digest {
			return found("key %s was not answered alike each time: order %s", op.Key, op.OrderID)
		}
		if told, again := since[op.Key]; !again || op.Return < told {
			since[op.Key] = op.Return
		}
		answered[op.Key], digests[op.Key] = op.OrderID, op.Digest
	}
	for _, op := range b.Ops {
		if told, placed := since[op.Key]; placed && op.Call > told && deniesKey(op) {
			return found("key %s was answered as order %s, and later as %s", op.Key, answered[op.Key], op.Code)
		}
	}
	if wrong := b.writtenIsNotDenied(); wrong != "" {
		return Violated, wrong
	}
	placed := map[[2]string]string{}
	for _, o := range b.Placed {
		key := [2]string{o.Client, o.Key}
		if other, again := placed[key]; again && o.Key != "" {
			return found("orders %s and %s were both placed with key %s", other, o.ID, o.Key)
		}
		placed[key] = o.ID
	}
	if len(keys) == 0 {
		return silent()
	}
	return held("%d keys in %d attempts", len(keys), len(b.Ops))
}

// deniesKey reports whether an answer says that the key has no order, or another one.
func deniesKey(op load.Op) bool {
	return op.Outcome == load.SoldOut || slices.Contains([]string{"not_found", "invalid", "idempotency_mismatch"}, op.Code)
}

// writtenIsNotDenied checks that no attempt was denied an order that had been written under its
// key before the attempt began, even if no client had been told of that order.
func (b *books) writtenIsNotDenied() string {
	byKey := b.placedByKey()
	var written map[string]time.Duration
	for _, op := range b.Ops {
		if op.Key == "" || !deniesKey(op) {
			continue
		}
		order, placed := byKey[op.Key]
		if !placed {
			continue
		}
		if written == nil {
			written = b.writtenBy()
		}
		if by, known := written[order]; known && by < op.Call {
			return fmt.Sprintf("key %s was answered %s at %s, and had order %s in the ledger by %s",
				op.Key, cmp.Or(op.Code, string(op.Outcome)), ms(op.Call), order, ms(by))
		}
	}
	return ""
}

// placedByKey returns the orders in the database by their keys, as the clients sent them.
func (b *books) placedByKey() map[string]string {
	stored := map[string]string{}
	clients := map[string]bool{}
	for _, o := range b.Placed {
		if o.Key != "" {
			stored[o.Key] = o.ID
			clients[o.Client] = true
		}
	}
	orders := map[string]string{}
	for _, op := range b.Ops {
		if op.Key == "" || !deniesKey(op) {
			continue
		}
		for client := range clients {
			if id, ok := stored[storedKey(client, op.Key)]; ok {
				orders[op.Key] = id
			}
		}
		if id, ok := stored[op.Key]; ok {
			orders[op.Key] = id
		}
	}
	return orders
}

// writtenBy returns when each order was in the ledger at the latest: versions follow one another,
// so that one is there when a client was told of a later one.
func (b *books) writtenBy() map[string]time.Duration {
	written := map[string]time.Duration{}
	for _, one := range b.skus {
		by := time.Duration(forever)
		for _, m := range slices.Backward(one.ledger) {
			by = min(by, b.when(m).to)
			if earlier, again := written[m.OrderID]; m.Reason == sale && (!again || by < earlier) {
				written[m.OrderID] = by
			}
		}
	}
	return written
}
