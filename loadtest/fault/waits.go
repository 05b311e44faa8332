package fault

import (
	"time"

	"orderd/loadtest/wire"
)

// A sight reports whether something that a schedule waits for is to be seen by now.
type sight func() (bool, error)

// closed is the sight of a message that a gate holds, or of an order's answer.
func closed(c <-chan struct{}) sight {
	return func() (bool, error) {
		select {
		case <-c:
			return true, nil
		default:
			return false, nil
		}
	}
}

// atLock is the sight of an order that waits for the lock. It has to be seen three times in a
// row: an order that is about to get the lock looks the same once.
func (s *Scene) atLock(a *Actor) sight {
	times := 0
	return func() (bool, error) {
		waiters, err := s.waiters(s.ctx, a)
		if err != nil || waiters == 0 {
			times = 0
			return false, err
		}
		if times++; times < 3 {
			return false, nil
		}
		s.waits(a)
		return true, nil
	}
}

// atRow is the sight of a transaction that waits for the row.
func (s *Scene) atRow(a *Actor) sight {
	return func() (bool, error) {
		blocked, err := s.fleet.Blocked(s.ctx, a.ID)
		if blocked {
			s.met("%s waited for the row that the other's transaction held", a.ID)
		}
		return blocked, err
	}
}

// waits records that an actor's order waits for the lock.
func (s *Scene) waits(a *Actor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waited[a] = true
}

// insideOrWaiting waits until an order has passed its check, or is seen to wait for the lock,
// and returns which.
func (s *Scene) insideOrWaiting(a *Actor, gate *wire.Gate) (inside bool, err error) {
	arrived := closed(gate.Arrived())
	err = s.await(a.ID+" inside or waiting", func() (_ bool, err error) {
		inside, err = arrived()
		return inside, err
	}, s.atLock(a))
	return inside, err
}

// insideWaitingOrAnswered waits until an order has passed its check, waits for the lock, or
// has its answer.
func (s *Scene) insideWaitingOrAnswered(a *Actor, gate *wire.Gate) error {
	return s.await(a.ID+" inside, waiting or refused", closed(gate.Arrived()), closed(s.orders[a].done), s.atLock(a))
}

// waitingOrAnswered waits until an order waits for the lock or has its answer.
func (s *Scene) waitingOrAnswered(a *Actor) error {
	return s.await(a.ID+" waiting or answered", closed(s.orders[a].done), s.atLock(a))
}

// waiting waits until an order is seen to wait for the lock. One that has to come again is seen
// anew.
func (s *Scene) waiting(a *Actor) error {
	seen := s.atLock(a)
	return s.await(a.ID+" waiting for the lock", func() (bool, error) {
		if s.comesAgain(a) {
			seen = s.atLock(a)
		}
		return seen()
	})
}

// blocked waits until an actor's transaction waits for the row.
func (s *Scene) blocked(a *Actor) error { return s.await(a.ID+" waiting for the row", s.atRow(a)) }

// blockedOrWaiting waits until an actor waits for the row or for the lock.
func (s *Scene) blockedOrWaiting(a *Actor) error {
	return s.await(a.ID+" waiting for the row or for the lock", s.atRow(a), s.atLock(a))
}

// contended has r1 hold the lock, past its check, and r2 wait for it. The gate holds r1's BEGIN.
func (s *Scene) contended() (*wire.Gate, error) {
	gate, err := s.checked(s.A)
	if err != nil {
		return nil, err
	}
	s.order(s.B)
	return gate, s.waiting(s.B)
}

// holdsOn waits until the actor has held the lock, from now on, for longer than a lease of
// shortTTL.
func (s *Scene) holdsOn(a *Actor) error {
	long := time.Since(s.clock) + shortTTL*3/2
	return s.await(a.ID+" holding the lock for longer than a lease", func() (bool, error) {
		l, err := s.observer.Lock(s.ctx, s.sku)
		return err == nil && l.Replica() == a.ID && time.Since(s.clock) > long, err
	})
}

// lockGranted waits until the lock service names the actor as the holder.
func (s *Scene) lockGranted(a *Actor) error {
	return s.await(a.ID+"'s lease", func() (bool, error) {
		l, err := s.observer.Lock(s.ctx, s.sku)
		return err == nil && l.Replica() == a.ID, err
	})
}

// lockLost waits until the lock service no longer names the actor as the holder.
func (s *Scene) lockLost(a *Actor) error {
	return s.await("the end of "+a.ID+"'s lease", func() (bool, error) {
		l, err := s.observer.Lock(s.ctx, s.sku)
		return err == nil && l.Replica() != a.ID, err
	})
}
