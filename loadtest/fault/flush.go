package fault

import "fmt"

// Somebody empties the servers that keep the locks.
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

// The copy of the stock is gone between the check and the write. It is rebuilt
// from Postgres by whoever misses it.
var flushStock = Fault{
	Name: "flush-stock", Title: "FLUSHALL on the stock Redis",
	Modes: leases, TTL: longTTL,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.checked(s.A)
		if err != nil {
			return err
		}
		s.order(s.B)
		if err := s.waiting(s.B); err != nil {
			return err
		}
		if _, err := s.fleet.Stock.Do(s.ctx, "FLUSHALL"); err != nil {
			return err
		}
		size, err := s.fleet.Stock.Do(s.ctx, "DBSIZE")
		if err != nil {
			return err
		}
		if size != "0" {
			return fmt.Errorf("the stock Redis has %s keys after FLUSHALL", size)
		}
		s.event("redis-stock", "FLUSHALL")
		s.fired("The stock Redis was emptied while %s was between its check and its write", s.A.ID)
		gate.Pass()
		return s.answered(s.A, s.B)
	},
}
