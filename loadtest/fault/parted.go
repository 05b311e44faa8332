package fault

import (
	"errors"

	"orderd/loadtest/wire"
)

// Work that takes longer than the lease does no harm as long as the lease is renewed.
var slowWork = Fault{
	Name: "slow-work", Title: "the work takes longer than the lease, which is renewed",
	Modes: leased, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.contended()
		if err != nil {
			return err
		}
		if err := s.holdsOn(s.A); err != nil {
			return err
		}
		s.fired("%s had worked for longer than its lease, and still held the lock", s.A.ID)
		gate.Pass()
		return s.answered(s.A, s.B)
	},
}

// unrenewed silences r1 towards the lock service. r1 works on, knows by its own clock when
// its lease ends, and does not commit after that.
func unrenewed(s *Scene) error {
	gate, err := s.checked(s.A)
	if err != nil {
		return err
	}
	s.silence(s.A)
	if err := s.lockLost(s.A); err != nil {
		return err
	}
	s.fired("%s's lease ended, for nothing it said came through", s.A.ID)
	s.order(s.B)
	if err := s.answered(s.B); err != nil {
		return err
	}
	gate.Pass()
	if err := s.answered(s.A); err != nil {
		return err
	}
	s.unsilence(s.A)
	return nil
}

var workUnrenewed = Fault{
	Name: "slow-work-unrenewed", Title: "the work takes longer than the lease, and no renewal comes through",
	Modes: []string{redis, redlock, postgres}, TTL: shortTTL,
	Breaks:   never,
	Schedule: unrenewed,
}

var sessionExpiry = Fault{
	Name: "session-expiry", Title: "ZooKeeper hears nothing of the holder until its session has expired",
	Modes: []string{zookeeper}, TTL: shortTTL,
	Breaks:   never,
	Schedule: unrenewed,
}

// The holder is cut off after its lease check, with its COMMIT on the way: no check is left
// that could stop it.
var cutOff = Fault{
	Name: "cut-off", Title: "the holder is cut off from the lock service, with its COMMIT on the way",
	Modes: leased, TTL: shortTTL,
	Breaks: unlessGuard(claim, predicate),
	Schedule: func(s *Scene) error {
		return s.overtaken(func() error {
			s.cut(s.A)
			return nil
		})
	},
}

// The lock is granted and the caller does not learn of it. It asks again or gives up, and
// must not leave the lock with no owner that would release it.
var acquireReplyLost = Fault{
	Name: "acquire-reply-lost", Title: "the lock service grants the lock and its answer is lost",
	Modes: leased, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		if err := s.primeLock(s.A); err != nil {
			return err
		}
		lost := s.loseAcquireReply(s.A)
		gate := s.A.Postgres.Hold(wire.Begin)
		s.order(s.A)
		for _, l := range lost {
			select {
			case <-l:
			case <-s.ctx.Done():
				return errors.New("no answer to a request for the lock was lost")
			}
		}
		s.fired("%s's request for the lock was answered, and the answer lost", s.A.ID)
		if err := s.insideWaitingOrAnswered(s.A, gate); err != nil {
			return err
		}
		s.order(s.B)
		s.met("%s came when the lock could have been left to nobody", s.B.ID)
		if err := s.waitingOrAnswered(s.B); err != nil {
			return err
		}
		gate.Pass()
		return s.answered(s.A, s.B)
	},
}
