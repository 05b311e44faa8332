package fault

import (
	"slices"

	"orderd/loadtest/wire"
)

// Both see the unit before either has written. Without a lock that both processes share
// nothing makes the second wait, and without leases there are no tokens to compare.
var race = Fault{
	Name: "race", Title: "two replicas sell the last unit at once",
	Modes: everyMode, TTL: longTTL, Excludes: true,
	Breaks: func(mode, guard string) bool {
		return slices.Contains([]string{none, local}, mode) && guard != predicate
	},
	Schedule: func(s *Scene) error {
		first, err := s.checked(s.A)
		if err != nil {
			return err
		}
		second := s.B.Postgres.Hold(wire.Begin)
		s.order(s.B)
		inside, err := s.insideOrWaiting(s.B, second)
		if err != nil {
			return err
		}
		s.fired("%s came while %s was between its check and its write", s.B.ID, s.A.ID)
		first.Pass()
		if inside {
			if err := s.answered(s.A); err != nil {
				return err
			}
		}
		second.Pass()
		return s.answered(s.A, s.B)
	},
}
