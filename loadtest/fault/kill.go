package fault

import "orderd/loadtest/wire"

// A holder that dies leaves a lock behind, and a transaction that Postgres rolls back. The
// next caller waits for the lease to end and finds the unit.
var killBeforeCommit = Fault{
	Name: "kill-before-commit", Title: "the holder is killed before its COMMIT arrives",
	Modes: everyMode, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.written(s.A)
		if err != nil {
			return err
		}
		s.order(s.B)
		if err := s.blockedOrWaiting(s.B); err != nil {
			return err
		}
		if err := s.kill(s.A); err != nil {
			return err
		}
		s.fired("%s was killed with its COMMIT on the way", s.A.ID)
		gate.Sever()
		return s.answered(s.A, s.B)
	},
}

// The unit is sold and Redis does not have that yet. The next holder, though rightful,
// believes Redis: neither lock nor token helps, for the two are never in their critical
// sections at once.
var killAfterCommit = Fault{
	Name: "kill-after-commit", Title: "the holder is killed after its COMMIT, before it tells Redis",
	Modes: everyMode, TTL: shortTTL, Excludes: true,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		gate, err := s.committed(s.A)
		if err != nil {
			return err
		}
		next := s.B.Postgres.Hold(wire.Begin)
		s.order(s.B)
		if err := s.insideWaitingOrAnswered(s.B, next); err != nil {
			return err
		}
		s.met("%s came while Redis still had the unit that %s had sold", s.B.ID, s.A.ID)
		if err := s.kill(s.A); err != nil {
			return err
		}
		s.fired("%s was killed after its COMMIT and before its write-back to Redis", s.A.ID)
		gate.Sever()
		next.Pass()
		return s.answered(s.A, s.B)
	},
}
