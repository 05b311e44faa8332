package audit

import (
	"cmp"
	"maps"
	"slices"

	"orderd/loadtest/load"
)

// books are the records, indexed for the checks: each check takes linear time, or sorts once.
type books struct {
	Records
	orders []load.Op           // attempts with the same key are merged into one
	skus   []*book             // by name
	told   map[string]*load.Op // confirmed orders by the id in their answer; the first if several have it
	sales  map[saleKey]load.Movement
	lines  map[string]int // how many sale movements an order has
	acts   map[actKey]window
}

// A book is what is known of one SKU.
type book struct {
	sku     string
	ledger  []load.Movement
	demands []demand
}

// A demand is what an order wants of one SKU: its lines for it, summed.
type demand struct {
	op                      *load.Op
	quantity, left, version int64
}

type saleKey struct{ sku, order string }

func open(r Records) *books {
	b := &books{
		Records: r, orders: Orders(r.Ops), acts: actsOf(r),
		told: map[string]*load.Op{}, sales: map[saleKey]load.Movement{}, lines: map[string]int{},
	}
	bySKU := map[string]*book{}
	of := func(sku string) *book {
		if bySKU[sku] == nil {
			bySKU[sku] = &book{sku: sku}
		}
		return bySKU[sku]
	}
	for _, m := range r.Ledger {
		of(m.SKU).ledger = append(of(m.SKU).ledger, m)
		if m.Reason == sale {
			if _, twice := b.sales[saleKey{m.SKU, m.OrderID}]; !twice {
				b.sales[saleKey{m.SKU, m.OrderID}] = m
			}
			b.lines[m.OrderID]++
		}
	}
	for i := range b.orders {
		op := &b.orders[i]
		if op.Outcome == load.Confirmed && b.told[op.OrderID] == nil {
			b.told[op.OrderID] = op
		}
		if len(op.Lines) == 0 {
			one := of("")
			one.demands = append(one.demands, demand{op, op.Quantity, op.Left, op.Version})
			continue
		}
		for sku, d := range summed(op) {
			of(sku).demands = append(of(sku).demands, d)
		}
	}
	b.skus = slices.SortedFunc(maps.Values(bySKU), func(x, y *book) int { return cmp.Compare(x.sku, y.sku) })
	return b
}

// sale is the reason of a movement that an order made.
const sale = "sale"

// summed returns a cart's demand for each SKU.
func summed(op *load.Op) map[string]demand {
	demands := map[string]demand{}
	for _, l := range op.Lines {
		demands[l.SKU] = demand{op, demands[l.SKU].quantity + l.Quantity, l.Left, l.Version}
	}
	return demands
}

// Orders merges all attempts with the same idempotency key that were or may have been
// confirmed into one order: it may have been placed from the first call on, and was by the
// first answer that confirms it.
func Orders(ops []load.Op) []load.Op {
	if !slices.ContainsFunc(ops, func(op load.Op) bool { return op.Key != "" }) {
		return ops
	}
	var orders []load.Op
	first := map[string]int{}
	for _, op := range ops {
		at, again := first[op.Key]
		placed := op.Outcome == load.Confirmed || op.Outcome == load.Unknown
		switch {
		case op.Key == "" || !placed:
			orders = append(orders, op)
		case !again:
			first[op.Key] = len(orders)
			orders = append(orders, op)
		default:
			call, before := min(op.Call, orders[at].Call), orders[at]
			if before.Outcome != load.Confirmed || op.Outcome == load.Confirmed && op.Return < before.Return {
				orders[at] = op
			}
			orders[at].Call = call
		}
	}
	return orders
}

// driven is the ledger without the movement that the drive started from.
func (b *book) driven() []load.Movement {
	if len(b.ledger) == 0 {
		return nil
	}
	return b.ledger[1:]
}

// last is the SKU's level at the end.
func (b *book) last() int64 {
	if len(b.ledger) == 0 {
		return 0
	}
	return b.ledger[len(b.ledger)-1].OnHand
}

// of names the SKU within a sentence.
func (b *book) of() string { return ofSKU(b.sku) }

// ofSKU names a SKU within a sentence; in a drive of a single one it is empty.
func ofSKU(sku string) string {
	if sku == "" {
		return ""
	}
	return " of " + sku
}

// each runs look, which says what is wrong, on every SKU until there is something.
func (b *books) each(look func(*book) string) string {
	for _, one := range b.skus {
		if wrong := look(one); wrong != "" {
			return wrong
		}
	}
	return ""
}

func (b *books) count(o load.Outcome) (n int) {
	for i := range b.orders {
		if b.orders[i].Outcome == o {
			n++
		}
	}
	return n
}
