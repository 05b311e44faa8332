package selftest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// What a shop sells, and to how many clients. A history has Orders orders, and more attempts.
const (
	clients  = 6
	replicas = 3
	Orders   = 200
)

var stocked = map[string]int64{"A": 60, "B": 50}

// While the lock service is down every order is refused.
const (
	downFrom  = 100 * time.Millisecond
	downUntil = 150 * time.Millisecond
)

// A shop is orderd in one goroutine and virtual time: replicas that check a quick copy under
// a lease, commit to a ledger, write the copy back, release and answer. Only the lock
// protects its stock.
type shop struct {
	clock
	bug     Bug
	rng     *rand.Rand
	hit     bool // the bug has made a difference
	lock    lock
	truth   map[string]audit.Quick
	quick   map[string]audit.Quick
	byKey   map[string]*load.Op // confirmed orders
	tokens  map[string]int64    // of the latest sale of each SKU
	sent    int
	records audit.Records
}

// open runs a shop until all orders are answered, and returns the records and whether the bug
// made a difference.
func open(seed uint64, bug Bug) (audit.Records, bool) {
	s := &shop{
		bug: bug, rng: rand.New(rand.NewPCG(seed, 1)),
		truth: map[string]audit.Quick{}, quick: map[string]audit.Quick{},
		byKey: map[string]*load.Op{}, tokens: map[string]int64{},
	}
	s.lock = lock{shop: s, owners: map[string]*lease{}, inside: map[string]*lease{}}
	s.records = audit.Records{Clients: clients, Exclusive: true, Fault: &audit.Fault{Name: "lock service down", Healed: new(downUntil)}}
	for _, sku := range []string{"A", "B"} {
		units := stocked[sku]
		s.truth[sku], s.quick[sku] = audit.Quick{OnHand: units, Version: 1}, audit.Quick{OnHand: units, Version: 1}
		s.records.Starts = append(s.records.Starts, audit.Start{SKU: sku, OnHand: units})
		s.records.Ledger = append(s.records.Ledger, load.Movement{SKU: sku, Version: 1, Delta: units, OnHand: units, Reason: "created"})
	}
	for client := range clients {
		s.after(s.some(time.Millisecond), func() { s.next(client) })
	}
	s.run()
	s.close()
	return s.records, s.hit
}

// close records the final levels and what is still held, and has each replica sell something
// new.
func (s *shop) close() {
	for _, sku := range []string{"A", "B"} {
		quick := s.quick[sku]
		if quick != s.truth[sku] {
			s.struck(ForgetsTheCopy)
		}
		s.records.Levels = append(s.records.Levels, audit.Level{
			SKU: sku, OnHand: s.truth[sku].OnHand, Version: s.truth[sku].Version, Quick: &quick,
		})
	}
	s.records.Left = &audit.Left{Looked: []string{"the lock service"}, Held: s.lock.held()}
	for n := range replicas {
		probe := load.Op{Seq: n, Client: n + 1, Quantity: 1, Outcome: load.Confirmed, Call: s.now, Return: s.now + 1}
		if s.bug == StaysDown {
			probe.Outcome = load.Busy
		}
		s.records.Probes = append(s.records.Probes, probe)
	}
}

// some returns a random duration below most.
func (s *shop) some(most time.Duration) time.Duration {
	return time.Duration(s.rng.Int64N(int64(most)))
}

// strikes reports whether b is the shop's bug and, by a chance of one in n, strikes now.
func (s *shop) strikes(b Bug, n int) bool { return s.bug == b && s.rng.IntN(n) == 0 }

// struck records that the shop's bug, if it is one of these, made a difference.
func (s *shop) struck(bugs ...Bug) { s.hit = s.hit || slices.Contains(bugs, s.bug) }

// next sends a client's next order.
func (s *shop) next(client int) {
	if s.sent == Orders {
		return
	}
	op := load.Op{Seq: s.sent, Client: client, Lines: s.cart(), Key: fmt.Sprintf("key-%d", s.sent)}
	s.sent++
	s.send(op)
}

// cart returns what a client orders: often two lines, and sometimes of the same SKU.
func (s *shop) cart() []load.Line {
	lines := make([]load.Line, 1+s.rng.IntN(2))
	for i := range lines {
		lines[i] = load.Line{SKU: string("AB"[s.rng.IntN(2)]), Quantity: 1 + s.rng.Int64N(2)}
	}
	return lines
}

// send sends an order, and once more if its answer is lost.
func (s *shop) send(op load.Op) {
	op.Call, op.LockWait = s.now, -1
	op.Replica = fmt.Sprintf("r%d", 1+s.rng.IntN(replicas))
	// Each attempt needs its own lines, which its answer fills in.
	op.Lines = slices.Clone(op.Lines)
	s.after(s.some(3*time.Millisecond), func() {
		s.place(&op, func() {
			s.after(s.some(3*time.Millisecond), func() { s.answer(op) })
		})
	})
}

// answer ends an attempt: the client gets the answer, or it is lost.
func (s *shop) answer(op load.Op) {
	op.Return = s.now
	lost := op.Outcome == load.Confirmed && s.rng.IntN(20) == 0
	if lost {
		unknown := op
		unknown.Outcome, unknown.OrderID = load.Unknown, ""
		s.records.Ops = append(s.records.Ops, unknown)
		s.send(op)
		return
	}
	if op.Outcome == load.Confirmed && s.byKey[op.Key] == nil {
		s.struck(LosesAnAcknowledged)
	}
	if op.Outcome == load.Confirmed && s.bug == HalfACart && len(demanded(op.Lines)) > 1 {
		s.struck(HalfACart)
	}
	s.records.Ops = append(s.records.Ops, op)
	pause := time.Duration(1)
	if op.Outcome == load.Busy {
		pause = 20 * time.Millisecond
	}
	s.after(s.some(pause), func() { s.next(op.Client) })
}
