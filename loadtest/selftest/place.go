package selftest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// demanded sums the lines of a cart.
func demanded(lines []load.Line) map[string]int64 {
	sum := map[string]int64{}
	for _, l := range lines {
		sum[l.SKU] += l.Quantity
	}
	return sum
}

// place does what orderd does with an order, and calls done once its outcome is filled in.
func (s *shop) place(op *load.Op, done func()) {
	if s.now >= downFrom && (s.now < downUntil || s.bug == StaysDown) {
		s.records.Fault.Fired = true
		s.struck(StaysDown)
		op.Outcome = load.Busy
		done()
		return
	}
	if placed := s.byKey[op.Key]; placed != nil && s.bug != IgnoresTheKey {
		op.Outcome, op.OrderID, op.Lines = load.Confirmed, placed.OrderID, placed.Lines
		done()
		return
	}
	if op.Seq < 5 && s.strikes(RefusesFalsely, 2) {
		s.struck(RefusesFalsely)
		op.Outcome = load.SoldOut
		done()
		return
	}
	keys := slices.Sorted(maps.Keys(demanded(op.Lines)))
	s.lock.acquire(op.Replica, keys, func(held *lease) { s.look(op, held, done) })
}

// look checks the stock in the quick copy, works for a while, at times for longer than the
// lease lasts, commits and writes the copy back.
func (s *shop) look(op *load.Op, held *lease, done func()) {
	leave := func(o load.Outcome) {
		op.Outcome = o
		s.lock.release(held)
		done()
	}
	if !s.enough(op) {
		if s.strikes(LeavesAnOrphan, 4) {
			s.struck(LeavesAnOrphan)
			s.records.Placed = append(s.records.Placed, audit.Placed{ID: fmt.Sprintf("orphan-%d", op.Seq)})
		}
		leave(load.SoldOut)
		return
	}
	work := s.some(2 * time.Millisecond)
	if s.rng.IntN(15) == 0 {
		work += ttl + s.some(10*time.Millisecond)
	}
	s.after(work, func() {
		if held.expires-s.now < margin {
			leave(load.Failed) // lease_lost
			return
		}
		written := s.commit(op, held)
		s.after(s.some(2*time.Millisecond), func() {
			for sku, level := range written {
				if level.Version > s.quick[sku].Version && (s.bug != ForgetsTheCopy || level.OnHand > 5) {
					s.quick[sku] = level
				}
			}
			s.after(s.some(time.Millisecond), func() { leave(load.Confirmed) })
		})
	})
}

// enough is the check: of every SKU, are there more units than one less than what is wanted?
func (s *shop) enough(op *load.Op) bool {
	wanted := demanded(op.Lines)
	if s.bug == ChecksEachLine {
		for _, l := range op.Lines {
			wanted[l.SKU] = min(wanted[l.SKU], l.Quantity)
		}
	}
	for sku, n := range wanted {
		level := s.quick[sku].OnHand
		if level < n-1 || level == n-1 && s.bug != SellsOneMore {
			return false
		}
	}
	return true
}

// commit writes the order and its movements, and returns the new levels.
func (s *shop) commit(op *load.Op, held *lease) map[string]audit.Quick {
	op.OrderID = fmt.Sprintf("order-%d-%d", op.Seq, len(s.records.Placed))
	wanted := demanded(op.Lines)
	levels := map[string]audit.Quick{}
	for sku, n := range wanted {
		levels[sku] = audit.Quick{OnHand: s.truth[sku].OnHand - n, Version: s.truth[sku].Version + 1}
	}
	for i, l := range op.Lines {
		op.Lines[i].Left, op.Lines[i].Version = levels[l.SKU].OnHand, levels[l.SKU].Version
	}
	if s.strikes(LosesAnAcknowledged, 10) {
		return nil
	}
	if s.byKey[op.Key] != nil {
		s.struck(IgnoresTheKey)
	}
	placed := *op
	s.byKey[op.Key] = &placed
	s.records.Placed = append(s.records.Placed, audit.Placed{ID: op.OrderID, Key: op.Key})
	for _, sku := range slices.Sorted(maps.Keys(wanted)) {
		s.truth[sku] = levels[sku]
		if levels[sku].OnHand < 0 {
			s.struck(SellsOneMore, ChecksEachLine)
		}
		if held.token < s.tokens[sku] {
			s.struck(TokenGoesBack)
		}
		s.tokens[sku] = held.token
		s.records.Ledger = append(s.records.Ledger, load.Movement{
			SKU: sku, Version: levels[sku].Version, Delta: -wanted[sku], OnHand: levels[sku].OnHand,
			Reason: "sale", OrderID: op.OrderID, Token: held.token, Replica: op.Replica,
		})
		if s.bug == HalfACart {
			break
		}
	}
	return levels
}
