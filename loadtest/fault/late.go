package fault

import (
	"errors"

	"orderd/loadtest/wire"
)

// The grant is on its way and the caller is paused: when it reads the answer, its lease is
// over, and another has held the lock. Only a caller that counts its lease from before the
// request notices. (M. Kleppmann: How to do distributed locking, 2016; S. Sanfilippo answered
// that RedLock checks the time once more after it has all answers.)
var acquireReplyLate = Fault{
	Name: "acquire-reply-late", Title: "the lock is granted, and the caller paused past its lease before it reads the answer",
	Modes: leased, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gates, err := s.holdAcquireReply(s.A)
		if err != nil {
			return err
		}
		s.order(s.A)
		for _, g := range gates {
			select {
			case <-g.Arrived():
			case <-s.ctx.Done():
				return errors.New("no answer to a request for the lock was held")
			}
		}
		if err := s.pause(s.A); err != nil { // before it gives the request up
			return err
		}
		if err := s.lockGranted(s.A); err != nil {
			return err
		}
		if err := s.lockLost(s.A); err != nil {
			return err
		}
		s.fired("%s was paused with the grant of the lock on its way, until the lease was over", s.A.ID)
		s.order(s.B)
		if err := s.answered(s.B); err != nil {
			return err
		}
		s.waits(s.A) // for the answer, while the other holds the lock
		for _, g := range gates {
			g.Pass()
		}
		if err := s.resume(s.A); err != nil {
			return err
		}
		return s.answered(s.A)
	},
}

// holdAcquireReply holds the answers to the actor's next request for the lock, from as many
// servers as a lock needs.
func (s *Scene) holdAcquireReply(a *Actor) ([]*wire.Gate, error) {
	if err := s.primeLock(a); err != nil {
		return nil, err
	}
	if s.mode == postgres {
		return []*wire.Gate{a.Postgres.HoldLockReply(s.sku)}, nil
	}
	var gates []*wire.Gate
	for _, p := range a.Locks[:len(a.Locks)/2+1] {
		gates = append(gates, p.HoldReply(s.sku))
	}
	return gates, nil
}
