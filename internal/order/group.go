package order

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime/debug"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// laneCount is how many groups a replica places at a time. One would leave
// Postgres idle between its transactions; many would split the orders for
// different SKUs into small groups.
const laneCount = 4

// Lanes place orders in groups: one lease, one look at the stock and one
// transaction for all that wait. The zero value is not usable.
type Lanes struct {
	service *Service
	seed    maphash.Seed
	lanes   [laneCount]lane
}

// NewLanes returns lanes that place groups of up to limit orders with the
// service's parts.
func NewLanes(s *Service, limit int) *Lanes {
	l := &Lanes{service: s, seed: maphash.MakeSeed()}
	for i := range l.lanes {
		l.lanes[i].limit = limit
		l.lanes[i].place = l.placeGroup
	}
	return l
}

// submit places an order with its lane's next group. Orders for one SKU share a
// lane, and so do not wait for each other's lease.
func (l *Lanes) submit(ctx context.Context, lines []Line) (Order, error) {
	ctx, cancel := context.WithTimeout(ctx, l.service.LockWait)
	defer cancel()
	return l.lanes[maphash.String(l.seed, lines[0].SKU)%laneCount].submit(ctx, lines)
}

// placeGroup places the orders and answers each.
func (l *Lanes) placeGroup(group []*waiter) {
	s := l.service
	// A panic here is in nobody's request, and would take the process with it.
	defer func() {
		if p := recover(); p != nil {
			s.Log.Error("panic in a group", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answerTheRest(group)
		}
	}()
	// The group is nobody's request: it has limits of its own.
	ctx, cancel := context.WithTimeout(context.Background(), requestLimit)
	defer cancel()
	ctx, record := withRecord(ctx)
	began := time.Now()
	orders := make([][]Line, len(group))
	for i, w := range group {
		orders[i] = w.lines
	}

	lease, err := s.lock(ctx, union(orders))
	if err != nil {
		answerAll(group, began, record, err)
		return
	}
	// Released on every path and after the write-back, so that the next holder reads the new level.
	defer s.release(ctx, lease)
	if group, orders = present(group); len(group) == 0 {
		return
	}
	placed, refused, err := s.placeOrders(ctx, lease, orders)
	if err != nil {
		answerAll(group, began, record, err)
		return
	}
	s.Metrics.grouped(len(group), append(record.steps, step{"lane", began.Sub(group[0].arrived)}))
	for i, w := range group {
		w.reply(began, record, result{order: placed[i], err: refused[i]})
	}
}

// present drops those who have given up while the lease was waited for. The
// others have to see it through.
func present(group []*waiter) ([]*waiter, [][]Line) {
	there := group[:0]
	var orders [][]Line
	for _, w := range group {
		if w.begin() {
			there = append(there, w)
			orders = append(orders, w.lines)
		}
	}
	return there, orders
}

func answerAll(group []*waiter, began time.Time, r *record, err error) {
	for _, w := range group {
		w.reply(began, r, result{err: err})
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

// reply answers the order's request, with where its time went.
func (w *waiter) reply(began time.Time, r *record, a result) {
	a.steps = append([]step{{"lane", began.Sub(w.arrived)}}, r.steps...)
	w.answer <- a
}

// placeOrders does for a group what place does for an order: check, work,
// commit, write back. For each order it returns what was placed or why it was
// not; its own error is of the whole group.
func (s *Service) placeOrders(ctx context.Context, lease *locking.Lease, orders [][]Line) ([]Order, []error, error) {
	v, err := s.view(ctx, lease, orders)
	if err != nil {
		return nil, nil, err
	}
	// Who is refused here is told so after the commit: it is true only if those
	// before get what they take.
	_, refused := settle(v.shelves, orders, v.enough)
	placed := make([]Order, len(orders))
	var fit [][]Line
	var places []int // of those that fit, among all
	for i := range orders {
		if refused[i] == nil {
			fit, places = append(fit, orders[i]), append(places, i)
		}
	}
	if len(fit) == 0 {
		return placed, refused, nil
	}
	if err := s.work(ctx); err != nil {
		return nil, nil, err
	}
	start := time.Now()
	sold, unsold, err := s.Ledger.CommitGroup(ctx, groupDraft{
		orders: fit, token: lease.Token, held: func() error { return lease.Check(s.LockMargin) },
	})
	timed(ctx, "commit", start)
	if err != nil {
		return nil, nil, err
	}
	for i, at := range places {
		placed[at], refused[at] = sold[i], unsold[i]
	}
	s.writeBack(ctx, sold, v.levels)
	return placed, refused, nil
}

// A view is what is known of a group's stock before the commit.
type view struct {
	levels  map[string]stock.Level
	shelves map[string]*shelf
	lost    map[string]error // SKUs that a later lease has claimed
}

// enough lets a line go if there seem to be units for it.
func (v *view) enough(s *shelf, line Line) error {
	if err := v.lost[line.SKU]; err != nil {
		return err
	}
	return enough(s, line)
}

// view looks at the stock of all the orders at once. Levels that are too low for
// all who want some are confirmed: nobody is refused on Redis' word alone.
func (s *Service) view(ctx context.Context, lease *locking.Lease, orders [][]Line) (*view, error) {
	defer timed(ctx, "stock", time.Now())
	levels, err := s.Cache.Levels(ctx, union(orders))
	if err != nil {
		return nil, err
	}
	wanted := map[string]int64{}
	for _, lines := range orders {
		for _, line := range lines {
			wanted[line.SKU] += line.Quantity
		}
	}
	v := &view{levels: levels, shelves: map[string]*shelf{}, lost: map[string]error{}}
	for sku, level := range levels {
		if level.Guard == stock.GuardClaim {
			claimed, err := s.claim(ctx, lease, sku)
			switch {
			case errors.Is(err, ErrLeaseLost):
				v.lost[sku] = err
			case err != nil:
				return nil, err
			default:
				level = claimed
			}
		}
		if level.OnHand < wanted[sku] {
			confirmed, err := s.Truth.Confirm(ctx, sku, wanted[sku])
			if err != nil {
				return nil, err
			}
			if confirmed.Version > level.Version {
				level = confirmed
			}
		}
		v.shelves[sku] = &shelf{Level: level}
	}
	return v, nil
}

// Waiting returns how many orders wait for their group to be placed next.
func (l *Lanes) Waiting() int {
	n := 0
	for i := range l.lanes {
		n += l.lanes[i].length()
	}
	return n
}
