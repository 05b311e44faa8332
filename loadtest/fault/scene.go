package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/report"
	"orderd/loadtest/wire"
)

// lookEvery is how often a schedule checks whether something has come about.
const lookEvery = 5 * time.Millisecond

// A Scene is one try of a fault on one SKU.
type Scene struct {
	*Rig
	ctx   context.Context
	sku   string
	guard string
	clock time.Time // start of all times, on the monotonic clock

	mu       sync.Mutex
	orders   map[*Actor]*order // the latest of each
	all      []*order
	ops      []load.Op
	story    []string
	fire     string // what was seen of the fault; empty if it has not fired
	meeting  string // how the two orders contended; empty if that is not known
	waited   map[*Actor]bool
	timeline report.Recorder

	over   time.Duration           // when all was settled
	events map[*Actor][]wire.Event // what the actors had sent to Postgres by then
}

// An order is one in flight; done is closed when it is answered.
type order struct {
	op   load.Op
	done chan struct{}
}

// actors returns A and B, and C if it has ordered.
func (s *Scene) actors() []*Actor {
	if _, ordered := s.orders[s.C]; ordered {
		return []*Actor{s.A, s.B, s.C}
	}
	return []*Actor{s.A, s.B}
}

// order has an actor's client send an order for the unit.
func (s *Scene) order(a *Actor) {
	o := &order{done: make(chan struct{}), op: load.Op{Client: a.replica, Quantity: 1, Call: time.Since(s.clock)}}
	s.mu.Lock()
	o.op.Seq = len(s.all)
	o.op.Key = fmt.Sprintf("%s-%d", s.sku, o.op.Seq)
	s.orders[a] = o
	s.all = append(s.all, o)
	s.mu.Unlock()
	s.running.Go(func() {
		defer close(o.done)
		s.client.Order(s.ctx, a.replica, s.sku, &o.op)
		o.op.Return = time.Since(s.clock)
	})
}

// answered waits until the actors' orders have their answers.
func (s *Scene) answered(actors ...*Actor) error {
	for _, a := range actors {
		select {
		case <-s.orders[a].done:
		case <-s.ctx.Done():
			return fmt.Errorf("%s has not answered: %w", a.ID, context.Cause(s.ctx))
		}
	}
	return nil
}

// fired records that the fault was seen to happen.
func (s *Scene) fired(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sentence := fmt.Sprintf(format, args...)
	s.story = append(s.story, sentence+".")
	if s.fire == "" {
		s.fire = sentence
	}
}

// met records how the two orders contended.
func (s *Scene) met(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meeting == "" {
		s.meeting = fmt.Sprintf(format, args...)
	}
}

// await polls until one of the sights is seen or the scene's time is up.
func (s *Scene) await(what string, sights ...sight) error {
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for {
		var last error
		for _, seen := range sights {
			ok, err := seen()
			if ok {
				return nil
			}
			if last = err; err != nil {
				break
			}
		}
		select {
		case <-s.ctx.Done():
			return errors.Join(fmt.Errorf("%s: not seen: %w", what, context.Cause(s.ctx)), last)
		case <-again.C:
		}
	}
}

// checked sends the actor's order and waits until it has passed its check: its
// BEGIN is held.
func (s *Scene) checked(a *Actor) (*wire.Gate, error) { return s.upTo(a, a.Postgres.Hold(wire.Begin)) }

// written sends the actor's order and waits until it has written everything and
// found its lease held: its COMMIT is held. A group sends its COMMIT along with the statement
// before, so that its arrival does not tell that the rows are locked yet: Postgres does.
func (s *Scene) written(a *Actor) (*wire.Gate, error) {
	gate, err := s.upTo(a, a.Postgres.Hold(wire.Commit))
	if err != nil {
		return nil, err
	}
	err = s.await(a.ID+"'s write", func() (bool, error) { return s.fleet.Written(s.ctx, a.ID) })
	return gate, err
}

// committed sends the actor's order and waits until it is placed, but the actor does not
// know: the answer to its COMMIT is held.
func (s *Scene) committed(a *Actor) (*wire.Gate, error) {
	return s.upTo(a, a.Postgres.HoldReply(wire.Commit))
}

func (s *Scene) upTo(a *Actor, gate *wire.Gate) (*wire.Gate, error) {
	for s.order(a); ; {
		select {
		case <-gate.Arrived():
			return gate, nil
		case <-s.ctx.Done():
			return nil, fmt.Errorf("%s did not come as far as %s: %w", a.ID, gate, context.Cause(s.ctx))
		case <-s.orders[a].done:
			if !s.comesAgain(a) {
				return nil, fmt.Errorf("%s was answered %s before it came as far as %s", a.ID, s.orders[a].op.Outcome, gate)
			}
		}
	}
}

// comesAgain resends an order that was refused as unavailable or busy, as happens while
// servers are busy or have just started, and reports whether it did.
func (s *Scene) comesAgain(a *Actor) bool {
	select {
	case <-s.orders[a].done:
	default:
		return false
	}
	if code := s.orders[a].op.Code; code != "unavailable" && code != "busy" {
		return false
	}
	load.Sleep(s.ctx, askEvery)
	s.order(a)
	return true
}
