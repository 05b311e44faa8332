package fault

// A holder resumes after its lease, when another holds the lock, and releases what it
// believes to hold. A release or a renewal that does not check the owner would let a third
// replica in beside the second.
var staleRelease = Fault{
	Name: "stale-release", Title: "the holder is paused past its lease, and releases when another holds the lock",
	Modes: leased, TTL: shortTTL,
	Breaks: never,
	Schedule: func(s *Scene) error {
		stale, err := s.checked(s.A)
		if err != nil {
			return err
		}
		if err := s.pauseBeyondLease(); err != nil {
			return err
		}
		current, err := s.checked(s.B)
		if err != nil {
			return err
		}
		stale.Pass()
		if err := s.resume(s.A); err != nil {
			return err
		}
		if err := s.answered(s.A); err != nil { // it has released by now, or is about to
			return err
		}
		s.fired("%s released while %s held the lock", s.A.ID, s.B.ID)
		s.order(s.C)
		if err := s.waitingOrAnswered(s.C); err != nil { // answered if the lock was wrongly released
			return err
		}
		current.Pass()
		return s.answered(s.B, s.C)
	},
}

// The next waiter in the queue is dead when the lock is released. The one behind it gets the
// lock then, and not before.
var waiterKilled = Fault{
	Name: "waiter-killed", Title: "the first of two waiters is killed before the holder releases",
	Modes: leased, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.contended()
		if err != nil {
			return err
		}
		s.order(s.C)
		if err := s.waiting(s.C); err != nil {
			return err
		}
		if err := s.kill(s.B); err != nil {
			return err
		}
		// In ZooKeeper its node goes with its session: that must not be mistaken for the
		// holder's.
		if err := s.holdsOn(s.A); err != nil {
			return err
		}
		if err := s.waiting(s.C); err != nil {
			return err
		}
		s.fired("%s was killed while it waited, with %s behind it", s.B.ID, s.C.ID)
		gate.Pass()
		return s.answered(s.A, s.B, s.C)
	},
}
