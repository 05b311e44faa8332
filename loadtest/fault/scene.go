package fault

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/wire"
)

const (
	begin  = wire.Begin
	commit = wire.Commit
)

// lookEvery is how often a schedule looks whether something has come about.
const lookEvery = 5 * time.Millisecond

// A Scene is one try of a fault on one SKU.
type Scene struct {
	*Rig
	ctx   context.Context
	sku   string
	guard string
	clock time.Time // everything is counted from it, on the monotonic clock

	mu       sync.Mutex
	orders   map[*Actor]*order // the latest of each
	all      []*order
	ops      []load.Op
	story    []string
	fire     string // what was seen of the fault; empty if it has not fired
	meeting  string // how the two met; empty if that is not known
	waited   map[*Actor]bool
	timeline recorder

	over   time.Duration           // when all was settled
	events map[*Actor][]wire.Event // what the actors had asked of Postgres by then
}

// An order is one that is under way.
type order struct {
	op   load.Op
	done chan struct{}
}

// order has an actor's client send its order for the unit.
func (s *Scene) order(a *Actor) {
	o := &order{done: make(chan struct{}), op: load.Op{Client: a.n, Quantity: 1, Call: time.Since(s.clock)}}
	s.mu.Lock()
	o.op.Seq = len(s.all)
	o.op.Key = fmt.Sprintf("%s-%d", s.sku, o.op.Seq)
	s.orders[a] = o
	s.all = append(s.all, o)
	s.mu.Unlock()
	s.running.Go(func() {
		defer close(o.done)
		s.client.Order(s.ctx, a.n-1, s.sku, &o.op)
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

// fired notes that the fault was seen to happen.
func (s *Scene) fired(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sentence := fmt.Sprintf(format, args...)
	s.story = append(s.story, sentence+".")
	if s.fire == "" {
		s.fire = sentence
	}
}

// met notes that the two actors were in each other's way.
func (s *Scene) met(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meeting == "" {
		s.meeting = fmt.Sprintf(format, args...)
	}
}

// await looks until it is so, or the scene's time is up.
func (s *Scene) await(what string, so func() (bool, error)) error {
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	var last error
	for {
		ok, err := so()
		if ok {
			return nil
		}
		last = err
		select {
		case <-s.ctx.Done():
			return errors.Join(fmt.Errorf("%s: not seen: %w", what, context.Cause(s.ctx)), last)
		case <-again.C:
		}
	}
}

// checked sends the actor's order and waits until it has passed its check: its
// BEGIN is held.
func (s *Scene) checked(a *Actor) (*wire.Gate, error) { return s.upTo(a, begin) }

// written sends the actor's order and waits until it has written everything and
// found its lease held: its COMMIT is held.
func (s *Scene) written(a *Actor) (*wire.Gate, error) { return s.upTo(a, commit) }

func (s *Scene) upTo(a *Actor, statement wire.Statement) (*wire.Gate, error) {
	gate := a.Postgres.Hold(statement)
	s.order(a)
	if err := gate.Await(s.ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", a.ID, err)
	}
	return gate, nil
}

// insideOrWaiting waits until an order has passed its check, or is seen to wait
// for its turn, and tells which.
func (s *Scene) insideOrWaiting(a *Actor, gate *wire.Gate) (inside bool, err error) {
	seen := 0
	err = s.await(a.ID+" inside or waiting", func() (bool, error) {
		select {
		case <-gate.Arrived():
			inside = true
			return true, nil
		default:
		}
		return s.isWaiting(a, &seen)
	})
	return inside, err
}

// insideWaitingOrAnswered waits until an order has passed its check, waits for
// its turn, or has been refused.
func (s *Scene) insideWaitingOrAnswered(a *Actor, gate *wire.Gate) error {
	seen := 0
	return s.await(a.ID+" inside, waiting or refused", func() (bool, error) {
		select {
		case <-gate.Arrived():
			return true, nil
		case <-s.orders[a].done:
			return true, nil
		default:
		}
		return s.isWaiting(a, &seen)
	})
}

// waitingOrAnswered waits until an order waits for its turn or has its answer.
func (s *Scene) waitingOrAnswered(a *Actor) error {
	seen := 0
	return s.await(a.ID+" waiting or answered", func() (bool, error) {
		select {
		case <-s.orders[a].done:
			return true, nil
		default:
		}
		return s.isWaiting(a, &seen)
	})
}

// waiting waits until an order is seen to wait for its turn.
func (s *Scene) waiting(a *Actor) error {
	seen := 0
	return s.await(a.ID+" waiting for the lock", func() (bool, error) { return s.isWaiting(a, &seen) })
}

// isWaiting tells whether an order waits for its turn. One that has just come to
// the lock and is about to be let in looks the same at a single glance.
func (s *Scene) isWaiting(a *Actor, seen *int) (bool, error) {
	waiters, err := s.waiters(s.ctx, a)
	if err != nil || waiters == 0 {
		*seen = 0
		return false, err
	}
	if *seen++; *seen < 3 {
		return false, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited[a] = true
	return true, nil
}

// blocked waits until an actor's transaction waits for the row.
func (s *Scene) blocked(a *Actor) error {
	return s.await(a.ID+" waiting for the row", func() (bool, error) { return s.isBlocked(a) })
}

// blockedOrWaiting waits until an actor waits for the row or for the lock.
func (s *Scene) blockedOrWaiting(a *Actor) error {
	seen := 0
	return s.await(a.ID+" waiting for the row or for the lock", func() (bool, error) {
		if blocked, err := s.isBlocked(a); blocked || err != nil {
			return blocked, err
		}
		return s.isWaiting(a, &seen)
	})
}

func (s *Scene) isBlocked(a *Actor) (bool, error) {
	blocked, err := s.fleet.Blocked(s.ctx, a.n)
	if blocked {
		s.met("%s waited for the row that the other's transaction held", a.ID)
	}
	return blocked, err
}

// lockLost waits until the lock service does not name the actor as the holder.
func (s *Scene) lockLost(a *Actor) error {
	return s.await("the end of "+a.ID+"'s lease", func() (bool, error) {
		l, err := s.observer.Lock(s.ctx, s.sku)
		return err == nil && l.Replica() != a.ID, err
	})
}
