package fault

import (
	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// RedLock needs three of five masters. If only three could be had, one of them that comes
// back without its data makes a second majority with the two that were away.
var redlockRestart = Fault{
	Name: "redlock-restart", Title: "RedLock had a bare quorum, and one of its masters comes back empty",
	Modes: []string{redlock}, TTL: longTTL,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		return s.bareQuorum(func() error { return s.empty(s.fleet.Masters[2], "master 3") })
	},
}

// A lease on a master ends by its wall clock. A master whose clock jumps ahead gives away
// what it had promised, and makes a second majority as above.
var redlockClock = Fault{
	Name: "redlock-clock", Title: "RedLock had a bare quorum, and the clock of one of its masters jumps ahead",
	Modes: []string{redlock}, TTL: longTTL, Own: fleet.Own{Clock: true}, Needs: stack.Clocks,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		if err := s.fleet.Clock.Shift(0); err != nil {
			return err
		}
		return s.bareQuorum(func() error {
			s.timeline.Event("master 3", "its clock jumps by two minutes")
			return s.fleet.Clock.Shift(4 * longTTL)
		})
	},
}

// A minority of the masters is gone while the lock is held, and stays away until the next
// holder has had it: the others are enough to renew and to release.
var redlockMinority = Fault{
	Name: "redlock-minority", Title: "two of RedLock's five masters are killed under the holder, and stay away",
	Modes: []string{redlock}, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.contended()
		if err != nil {
			return err
		}
		away := s.fleet.Masters[3:]
		if err := killAll(away); err != nil {
			return err
		}
		s.timeline.Event("masters 4, 5", "down")
		if err := s.holdsOn(s.A); err != nil {
			return err
		}
		s.fired("%s kept its lock for longer than a lease with three of five masters", s.A.ID)
		gate.Pass()
		if err := s.answered(s.A, s.B); err != nil {
			return err
		}
		if err := restartAll(s.ctx, away); err != nil {
			return err
		}
		s.timeline.Event("masters 4, 5", "back")
		return nil
	},
}

// bareQuorum has r1 take the lock while two of five masters are away. Then lose makes another
// one forget it, and the two come back.
func (s *Scene) bareQuorum(lose func() error) error {
	away := s.fleet.Masters[3:]
	if err := killAll(away); err != nil {
		return err
	}
	s.timeline.Event("masters 4, 5", "down")
	return forgets(func(s *Scene) error {
		if err := lose(); err != nil {
			return err
		}
		if err := restartAll(s.ctx, away); err != nil {
			return err
		}
		s.timeline.Event("masters 4, 5", "back")
		return nil
	})(s)
}
