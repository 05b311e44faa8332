package order

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"orderd/internal/locking"
)

// laneCount is how many groups a replica places at the same time. More lanes split the
// orders for many SKUs into smaller groups, each with a lease and a commit of its own: of
// 1, 2, 4, 8 and 16 lanes one sold most on a machine with 2 processors, each doubling cost
// up to 30 % (docs/speed.md). Half as many as processors leaves the others to HTTP.
func laneCount() int { return min(max(1, runtime.GOMAXPROCS(0)/2), 8) }

// Lanes place orders in groups: one lease, one read of the stock and one transaction for
// all that are waiting. The zero value is not usable.
type Lanes struct {
	seed  maphash.Seed
	lanes []lane
}

// NewLanes returns lanes that place groups of up to limit orders for s.
func NewLanes(s *Service, limit int) *Lanes {
	l := &Lanes{seed: maphash.MakeSeed(), lanes: make([]lane, laneCount())}
	for i := range l.lanes {
		t := &turn{service: s, lane: &l.lanes[i]}
		l.lanes[i].name, l.lanes[i].limit, l.lanes[i].patience = "lane", limit, s.LockWait+verdictGrace
		l.lanes[i].place, l.lanes[i].busy = t.placeGroup, t.busy
		l.lanes[i].idle, l.lanes[i].joined = t.idle, make(chan struct{}, 1)
	}
	return l
}

// submit places an order with its lane's next group. The first SKU determines the lane:
// orders for one SKU share a lane, so that they do not wait for each other's lease.
func (l *Lanes) submit(ctx context.Context, r Request) (Order, error) {
	return l.lanes[maphash.String(l.seed, r.Lines[0].SKU)%uint64(len(l.lanes))].submit(ctx, r)
}

// placeGroup places the orders and answers each. The turn may keep its lease afterwards,
// for the next group, unless something went wrong.
func (t *turn) placeGroup(group []*waiter) {
	// The group belongs to no single request: its time limit is that of the one that came first.
	ctx, cancel := context.WithDeadline(context.Background(), group[0].arrived.Add(RequestLimit))
	defer cancel()
	defer func() { t.service.rescue(recover(), group, func() { t.end(ctx) }) }() // group then has those that joined, too
	ctx, record := withRecord(ctx, t.service.Traces)
	r := &round{began: time.Now(), record: record}
	ctx, r.span = t.service.Traces.group(ctx, "group", r.began, group)
	defer func() { r.span.end() }()
	orders := make([]Request, len(group))
	for i, w := range group {
		orders[i] = w.Request
	}
	keys := union(orders)
	waited, err := t.take(ctx, keys, t.patience(group, keys))
	// If a request to the lock service is in flight when the patience ends, err is its error, not ErrBusy.
	if err != nil && t.mixed(group, keys) && (errors.Is(err, locking.ErrBusy) || time.Since(r.began) >= mixedPatience) {
		if !errors.Is(err, locking.ErrBusy) {
			t.lane.ended(err)
		}
		t.placeInParts(group)
		return
	}
	if err == nil {
		if waited { // orders that arrived meanwhile need not wait for the next group
			group = append(group, t.lane.more(t.keys, len(group))...)
		}
		if group, orders = present(group); len(group) == 0 {
			return
		}
	}
	if r.span == nil { // one of the orders that joined may be traced
		ctx, r.span = t.service.Traces.group(ctx, "group", r.began, group)
	}
	r.span.serves(group)
	if err == nil {
		err = t.placeOrders(ctx, orders, func(placed []Order, refused []error) {
			r.answer(group, func(i int) (Order, error) { return placed[i], refused[i] })
		})
	}
	t.lane.ended(err)
	t.service.Metrics.stepped(append(record.steps, step{"lane", max(0, r.began.Sub(group[0].arrived))}))
	if err != nil && answerTo(err) == internalAnswer && t.mixed(group, keys) {
		// Something is wrong, with the row of one SKU perhaps: the orders for others must not fail for it.
		t.end(ctx)
		t.placeInParts(group)
		return
	}
	if err != nil {
		r.answer(group, func(int) (Order, error) { return Order{}, err })
		t.end(ctx)
		return
	}
	t.service.Metrics.grouped(len(group))
}

// A round is what all orders of a group have in common.
type round struct {
	began  time.Time
	record *record
	span   *groupSpan
}

// answer sends each order of the group its outcome.
func (r *round) answer(group []*waiter, outcome func(i int) (Order, error)) {
	shared := r.record.String()
	for i, w := range group {
		order, err := outcome(i)
		// An order that joined while the others waited for the lease has not waited in the lane.
		lane := max(0, r.began.Sub(w.arrived))
		w.answer <- result{order: order, err: err, lane: lane, shared: shared, group: r.span}
	}
}

// present drops the waiters that gave up while the lease was being acquired, and returns
// the others, which can no longer give up, and their requests.
func present(group []*waiter) ([]*waiter, []Request) {
	there := group[:0]
	var orders []Request
	for _, w := range group {
		if w.begin() {
			there = append(there, w)
			orders = append(orders, w.Request)
		}
	}
	return there, orders
}

// rescue handles the panic p, if it is not nil: a group is placed on no request's
// goroutine, so that the panic would end the process. It answers the orders that have no
// answer yet, and calls then.
func (s *Service) rescue(p any, group []*waiter, then func()) {
	if p != nil {
		s.Log.Error("panic in a group", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		answerTheRest(group)
		then()
	}
}

// answerTheRest answers the orders that have no answer yet with ErrUnknown.
func answerTheRest(group []*waiter) {
	for _, w := range group {
		select {
		case w.answer <- result{err: ErrUnknown}:
		default:
		}
	}
}

// placeOrders does for a group what Service.take does for one order: check, work, commit,
// write back. It calls answer with what was placed of each order or why it was refused,
// after the commit and releaseBeforeAnswers. An error concerns the whole group, and answer
// was not called.
func (t *turn) placeOrders(ctx context.Context, orders []Request, answer func([]Order, []error)) error {
	v, err := t.view(ctx, orders)
	if err != nil {
		return err
	}
	// A refusal made here is answered only after the commit: it is right only if the orders before it get
	// the units that they take.
	lines, refused := settle(v.shelves, orders, v.enough)
	placed := make([]Order, len(orders))
	draft := groupDraft{token: t.lease.Token, held: func() error { return t.lease.Check(t.service.LockMargin) }}
	var places []int // of the draft's orders: their indexes in orders
	for i := range orders {
		// Where every row's guard checks the level, refused orders are in the draft, too: if the rows are
		// not as expected, all are settled again.
		if refused[i] == nil || v.certain() {
			draft.orders, places = append(draft.orders, orders[i]), append(places, i)
		}
	}
	if !slices.Contains(refused, nil) {
		answer(placed, refused)
		return nil
	}
	if err := t.service.work(ctx); err != nil {
		return err
	}
	if v.certain() {
		draft.expected = &settled{v.shelves, lines, slices.Clone(refused)}
	}
	committing, commit := begin(ctx, "commit")
	sold, unsold, err := t.service.Ledger.CommitGroup(committing, draft)
	commit.end()
	if err != nil {
		return err
	}
	seen := true
	for i, at := range places {
		seen = seen && (unsold[i] == nil) == (refused[at] == nil)
		placed[at], refused[at] = sold[i], unsold[i]
	}
	t.learn(sold, v)
	if !seen {
		t.levels = nil // the rows had fewer units than expected, or more
	}
	t.releaseBeforeAnswers(ctx)
	answer(placed, refused)
	return nil
}

// Close waits until all lanes are empty and have released their leases. No order may be
// submitted any more; those that were have been answered.
func (l *Lanes) Close() {
	for i := range l.lanes {
		l.lanes[i].close()
	}
}

// Waiting returns how many orders wait in the lanes for their next groups.
func (l *Lanes) Waiting() int {
	n := 0
	for i := range l.lanes {
		n += l.lanes[i].length()
	}
	return n
}
