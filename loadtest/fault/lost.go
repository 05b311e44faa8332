package fault

import (
	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// The lock service forgets a lock that its holder still has, and the holder asks
// again only in a third of the lease's time. Until then it passes its own check
// in good faith, so only the row can tell the two apart: by their tokens, which
// follow the clock and so outlive the data, or by counting.
func forgets(lose func(*Scene) error) func(*Scene) error {
	return func(s *Scene) error {
		gate, err := s.checked(s.A)
		if err != nil {
			return err
		}
		if err := lose(s); err != nil {
			return err
		}
		if err := s.lockLost(s.A); err != nil {
			return err
		}
		s.fired("The lock service has forgotten that %s holds the lock", s.A.ID)
		if err := s.orderUntilDecided(s.B); err != nil {
			return err
		}
		gate.Pass()
		return s.answered(s.A)
	}
}

var redisRestarted = Fault{
	Name: "redis-restart", Title: "the lock Redis is killed and comes back empty",
	Modes: []string{redis}, TTL: longTTL,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: forgets(func(s *Scene) error {
		if err := s.fleet.Locks.Kill(); err != nil {
			return err
		}
		s.event("redis-locks", "killed")
		if err := s.fleet.Locks.Restart(s.ctx); err != nil {
			return err
		}
		s.event("redis-locks", "back, empty")
		return nil
	}),
}

// A lease in Redis ends by the server's wall clock, in one server as in five.
var redisClock = Fault{
	Name: "redis-clock", Title: "the clock of the lock Redis jumps ahead",
	Modes: []string{redis}, TTL: longTTL, Own: fleet.Own{Clock: true}, Needs: stack.Clocks,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		if err := s.fleet.Clock.Shift(0); err != nil {
			return err
		}
		return forgets(func(s *Scene) error {
			s.event("redis-locks", "its clock jumps by two minutes")
			return s.fleet.Clock.Shift(4 * longTTL)
		})(s)
	},
}

// Tokens follow the clock, so that they outlive the server's data. A clock that is set
// back with the data gone mints smaller ones: the row takes the newcomer's, which it has
// to, and then the first holder's, which is larger. A claim is in the row before that, and
// the newcomer is refused until its clock has caught up.
var redisClockBehind = Fault{
	Name: "redis-clock-behind", Title: "the lock Redis is killed and comes back empty, with its clock set back",
	Modes: []string{redis}, TTL: longTTL, Own: fleet.Own{Clock: true}, Needs: stack.Clocks,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		if err := s.fleet.Clock.Shift(0); err != nil {
			return err
		}
		gate, err := s.checked(s.A)
		if err != nil {
			return err
		}
		if err := s.fleet.Locks.Kill(); err != nil {
			return err
		}
		s.event("redis-locks", "killed")
		if err := s.fleet.Clock.Shift(-4 * longTTL); err != nil {
			return err
		}
		if err := s.fleet.Locks.Restart(s.ctx); err != nil {
			return err
		}
		s.event("redis-locks", "back, empty, two minutes behind")
		if err := s.lockLost(s.A); err != nil {
			return err
		}
		s.fired("The lock service has forgotten that %s holds the lock, and mints smaller tokens", s.A.ID)
		for s.order(s.B); ; {
			if err := s.answered(s.B); err != nil {
				return err
			}
			if !s.comesAgain(s.B) {
				break
			}
		}
		s.met("%s came while %s was between its check and its write", s.B.ID, s.A.ID)
		gate.Pass()
		if err := s.answered(s.A); err != nil {
			return err
		}
		s.event("redis-locks", "its clock is right again") // with it the fault is over: until then a claimed row sells nothing
		return s.fleet.Clock.Shift(0)
	},
}
