package fault

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
