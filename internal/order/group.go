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

// laneCount is how many groups a replica places at a time. More lanes split the
// orders for many SKUs into smaller groups, each with a lease and a commit of its
// own: of 1, 2, 4, 8 and 16 lanes one sold most on a machine with 2 processors,
// each doubling cost up to 30 % (docs/speed.md). Half as many as processors leaves
// the others to HTTP.
func laneCount() int { return min(max(1, runtime.GOMAXPROCS(0)/2), 8) }

// Lanes place orders in groups: one lease, one look at the stock and one
// transaction for all that wait. The zero value is not usable.
type Lanes struct {
	seed  maphash.Seed
	lanes []lane
}

// NewLanes returns lanes that place groups of up to limit orders with the
// service's parts.
func NewLanes(s *Service, limit int) *Lanes {
	l := &Lanes{seed: maphash.MakeSeed(), lanes: make([]lane, laneCount())}
	for i := range l.lanes {
		t := &turn{service: s, lane: &l.lanes[i]}
		l.lanes[i].name, l.lanes[i].limit, l.lanes[i].patience = "lane", limit, s.LockWait
		l.lanes[i].place, l.lanes[i].busy = t.placeGroup, t.busy
		l.lanes[i].idle, l.lanes[i].joined = t.idle, make(chan struct{}, 1)
	}
	return l
}

// submit places an order with its lane's next group. Orders for one SKU share a
// lane, and so do not wait for each other's lease.
func (l *Lanes) submit(ctx context.Context, r Request) (Order, error) {
	return l.lanes[maphash.String(l.seed, r.Lines[0].SKU)%uint64(len(l.lanes))].submit(ctx, r)
}

// placeGroup places the orders and answers each. The lease that it takes is
// still the turn's afterwards, unless something went wrong.
func (t *turn) placeGroup(group []*waiter) {
	// The group is nobody's request: it has limits of its own.
	ctx, cancel := context.WithTimeout(context.Background(), RequestLimit)
	defer cancel()
	defer func() { t.service.rescue(recover(), group, func() { t.end(ctx) }) }() // group, with those who joined it
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
	// A request to the lock service may be under way when the patience ends, and its error is that one's.
	if err != nil && t.mixed(group, keys) && (errors.Is(err, locking.ErrBusy) || time.Since(r.began) >= mixedPatience) {
		t.placeInParts(group)
		return
	}
	if err == nil {
		if waited { // those who came meanwhile need not wait for another turn
			group = append(group, t.lane.more(t.keys, len(group))...)
		}
		if group, orders = present(group); len(group) == 0 {
			return
		}
	}
	if r.span == nil { // among those who came meanwhile there may be one who is traced
		ctx, r.span = t.service.Traces.group(ctx, "group", r.began, group)
	}
	r.span.serves(group)
	if err == nil {
		err = t.placeOrders(ctx, orders, func(placed []Order, refused []error) {
			r.answer(group, func(i int) (Order, error) { return placed[i], refused[i] })
		})
	}
	if err != nil {
		r.answer(group, func(int) (Order, error) { return Order{}, err })
		t.end(ctx)
		return
	}
	t.service.Metrics.grouped(len(group), append(record.steps, step{"lane", max(0, r.began.Sub(group[0].arrived))}))
}

// A round is what all orders of a group have in common.
type round struct {
	began  time.Time
	record *record
	span   *groupSpan
}

// answer tells each of the group what became of its order.
func (r *round) answer(group []*waiter, outcome func(i int) (Order, error)) {
	shared := r.record.String()
	for i, w := range group {
		order, err := outcome(i)
		// Who came while the others waited for the lease has not waited in the lane.
		lane := max(0, r.began.Sub(w.arrived))
		w.answer <- result{order: order, err: err, lane: lane, shared: shared, group: r.span}
	}
}

// present drops those who have given up while the lease was waited for. The
// others have to see it through.
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

// rescue ends a panic where a group is placed: that is in nobody's request, and it
// would take the process with it. The group is answered, and then is called.
func (s *Service) rescue(p any, group []*waiter, then func()) {
	if p != nil {
		s.Log.Error("panic in a group", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		answerTheRest(group)
		then()
	}
}

// answerTheRest tells those who have had no answer that nobody knows what became
// of their orders.
func answerTheRest(group []*waiter) {
	for _, w := range group {
		select {
		case w.answer <- result{err: ErrUnknown}:
		default:
		}
	}
}

// placeOrders does for a group what place does for an order: check, work,
// commit, write back. It answers with what was placed of each order or why it
// was not, once that is committed and others have been given way. Its error is of
// the whole group, which then has no answer.
func (t *turn) placeOrders(ctx context.Context, orders []Request, answer func([]Order, []error)) error {
	v, err := t.view(ctx, orders)
	if err != nil {
		return err
	}
	// Who is refused here is told so after the commit: it is true only if those
	// before get what they take.
	lines, refused := settle(v.shelves, orders, v.enough)
	placed := make([]Order, len(orders))
	draft := groupDraft{token: t.lease.Token, held: func() error { return t.lease.Check(t.service.LockMargin) }}
	var places []int // of the draft's orders, among all
	for i := range orders {
		// The rows' guards know who is short, where all of them count units: if they are not
		// as they seem to be, those who seemed to be short are settled anew with the others.
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
		t.levels = nil // the rows had less than was thought, or more
	}
	t.releaseBeforeAnswers(ctx)
	answer(placed, refused)
	return nil
}

// Close waits until all lanes are empty and have given their leases back. No
// order may be submitted any more; those that were have been answered.
func (l *Lanes) Close() {
	for i := range l.lanes {
		l.lanes[i].runs.Wait()
	}
}

// Waiting returns how many orders wait for their group to be placed next.
func (l *Lanes) Waiting() int {
	n := 0
	for i := range l.lanes {
		n += l.lanes[i].length()
	}
	return n
}
