package fault

// The holder stops between its check and its write, as in a long garbage collection or
// because its process is stopped, and resumes when its lease is over and the unit sold. The
// lease is checked after the write has taken the row's lock, so that no newcomer can come in
// between: without a guard the lease check is all that is left, and it is enough as long as
// clocks run.
var pauseNewcomerFirst = Fault{
	Name: "pause-newcomer-first", Title: "the holder is paused past its lease before its write; the newcomer writes first",
	Modes: leased, TTL: shortTTL,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.checked(s.A)
		if err != nil {
			return err
		}
		if err := s.pauseBeyondLease(); err != nil {
			return err
		}
		s.order(s.B)
		if err := s.answered(s.B); err != nil {
			return err
		}
		gate.Pass()
		if err := s.resume(s.A); err != nil {
			return err
		}
		return s.answered(s.A)
	},
}

// The holder stops between its lease check and the COMMIT's arrival: its write is done, its
// token is in the row, and no check is left to stop it. The newcomer has seen the unit too. A
// fence lets both tokens through, for they come in ascending order; a claim makes the
// newcomer read the row before it trusts anything.
var pauseStaleFirst = Fault{
	Name: "pause-stale-first", Title: "the holder is paused past its lease with its COMMIT on the way; it writes first",
	Modes: leased, TTL: shortTTL,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		gate, err := s.written(s.A)
		if err != nil {
			return err
		}
		if err := s.pauseBeyondLease(); err != nil {
			return err
		}
		s.order(s.B)
		if err := s.blocked(s.B); err != nil {
			return err
		}
		gate.Pass()
		if err := s.answered(s.B); err != nil {
			return err
		}
		if err := s.resume(s.A); err != nil {
			return err
		}
		return s.answered(s.A)
	},
}

// pauseBeyondLease stops r1 and waits until the lock service no longer names it as the
// holder.
func (s *Scene) pauseBeyondLease() error {
	if err := s.pause(s.A); err != nil {
		return err
	}
	if err := s.lockLost(s.A); err != nil {
		return err
	}
	s.fired("%s was stopped, and its lease ended meanwhile", s.A.ID)
	return nil
}
