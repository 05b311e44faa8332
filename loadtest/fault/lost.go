package fault

import (
	"fmt"

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

var flushLocks = Fault{
	Name: "flush-locks", Title: "FLUSHALL on every Redis that keeps locks",
	Modes: []string{redis, redlock}, TTL: longTTL,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: forgets(func(s *Scene) error {
		servers := s.fleet.Masters[:]
		if s.mode == redis {
			servers = append(servers[:0:0], s.fleet.Locks)
		}
		for _, server := range servers {
			if _, err := server.Do(s.ctx, "FLUSHALL"); err != nil {
				return err
			}
		}
		s.event("redis-locks", "FLUSHALL")
		return nil
	}),
}

// RedLock needs three of five. Where only three could be had, one that comes back
// without its data makes a second majority with the two that were away.
var redlockRestart = Fault{
	Name: "redlock-restart", Title: "RedLock had a bare quorum, and one of its masters comes back empty",
	Modes: []string{redlock}, TTL: longTTL,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		return s.bareQuorum(func() error {
			if err := s.fleet.Masters[2].Kill(); err != nil {
				return err
			}
			s.event("master 3", "back, empty")
			return s.fleet.Masters[2].Restart(s.ctx)
		})
	},
}

// Leases on a master end by its wall clock. One that jumps ahead gives away what
// it had promised, and makes a second majority as above.
var redlockClock = Fault{
	Name: "redlock-clock", Title: "RedLock had a bare quorum, and the clock of one of its masters jumps ahead",
	Modes: []string{redlock}, TTL: longTTL, Own: fleet.Own{Clock: true}, Needs: stack.Clocks,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		if err := s.fleet.Clock.Shift(0); err != nil {
			return err
		}
		return s.bareQuorum(func() error {
			s.event("master 3", "its clock jumps by two minutes")
			return s.fleet.Clock.Shift(4 * longTTL)
		})
	},
}

// bareQuorum has r1 take the lock while two of five masters are away, and the
// others forget theirs as lose has it.
func (s *Scene) bareQuorum(lose func() error) error {
	away := s.fleet.Masters[3:]
	for _, master := range away {
		if err := master.Kill(); err != nil {
			return err
		}
	}
	s.event("masters 4, 5", "down")
	return forgets(func(s *Scene) error {
		if err := lose(); err != nil {
			return err
		}
		for _, master := range away {
			if err := master.Restart(s.ctx); err != nil {
				return err
			}
		}
		s.event("masters 4, 5", "back")
		return nil
	})(s)
}

// Postgres gives an advisory lock back when its connection ends. The holder
// hears of it at once, unless its COMMIT is already on the way.
var advisoryKilled = Fault{
	Name: "advisory-killed", Title: "the connection that holds the advisory lock is ended, with the COMMIT on the way",
	Modes: []string{postgres}, TTL: longTTL,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		return s.overtaken(func() error {
			ended, err := s.fleet.EndLockSessions(s.ctx, s.A.n)
			if err == nil && ended != 1 {
				err = fmt.Errorf("%d connections of %s held locks", ended, s.A.ID)
			}
			s.event("postgres", "pg_terminate_backend")
			return err
		})
	},
}

// overtaken has r1 lose its lock with its COMMIT on the way, and r2 see the same
// unit before it arrives.
func (s *Scene) overtaken(lose func() error) error {
	gate, err := s.written(s.A)
	if err != nil {
		return err
	}
	if err := lose(); err != nil {
		return err
	}
	if err := s.lockLost(s.A); err != nil {
		return err
	}
	s.fired("%s lost the lock while its COMMIT was on the way", s.A.ID)
	s.order(s.B)
	if err := s.blocked(s.B); err != nil {
		return err
	}
	gate.Pass()
	return s.answered(s.A, s.B)
}
