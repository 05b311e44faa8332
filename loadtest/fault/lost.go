package fault

import (
	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// forgets has the lock service forget, by lose, the lock that r1 still holds. r1 renews only
// every third of its TTL, and until then passes its own lease check in good faith, so that
// only the row can stop one of the two: by their tokens, which follow the clock and so
// outlive the data, or by its level.
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
	Breaks:   unlessGuard(fence, claim, predicate),
	Schedule: forgets(func(s *Scene) error { return s.empty(s.fleet.Locks, "redis-locks") }),
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
			s.timeline.Event("redis-locks", "its clock jumps by two minutes")
			return s.fleet.Clock.Shift(4 * longTTL)
		})(s)
	},
}

// Tokens follow the clock, so that they outlive the server's data. With the data gone and the
// clock set back, the server mints smaller ones: a fence lets the newcomer's through, as it
// has to, and then the first holder's, which is larger. With a claim the first holder's is in
// the row already, and the newcomer is refused until the clock has caught up.
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
		s.timeline.Event("redis-locks", "killed")
		if err := s.fleet.Clock.Shift(-4 * longTTL); err != nil {
			return err
		}
		if err := s.fleet.Locks.Restart(s.ctx); err != nil {
			return err
		}
		s.timeline.Event("redis-locks", "back, empty, two minutes behind")
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
		s.timeline.Event("redis-locks", "its clock is right again") // this ends the fault: until then a claimed row sells nothing
		return s.fleet.Clock.Shift(0)
	},
}
