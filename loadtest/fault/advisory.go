package fault

import "fmt"

// Postgres releases an advisory lock when its connection ends. The holder notices at once,
// unless its COMMIT is already on the way.
var advisoryKilled = Fault{
	Name: "advisory-killed", Title: "the connection that holds the advisory lock is ended, with the COMMIT on the way",
	Modes: []string{postgres}, TTL: longTTL,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		return s.overtaken(func() error {
			ended, err := s.fleet.EndLockSessions(s.ctx, s.A.ID)
			if err == nil && ended != 1 {
				err = fmt.Errorf("%d connections of %s held locks", ended, s.A.ID)
			}
			s.timeline.Event("postgres", "pg_terminate_backend")
			return err
		})
	},
}

// overtaken has r1 lose its lock with its COMMIT on the way, and r2 see the same unit before
// that arrives.
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
