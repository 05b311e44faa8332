package fault

import (
	"fmt"

	"orderd/internal/stack"
)

// The servers that keep the locks lose all data.
var flushLocks = Fault{
	Name: "flush-locks", Title: "FLUSHALL on every Redis that keeps locks",
	Modes: []string{redis, redlock}, TTL: longTTL,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: forgets(func(s *Scene) error {
		servers := s.fleet.Masters[:]
		if s.mode == redis {
			servers = []*stack.Redis{s.fleet.Locks}
		}
		for _, server := range servers {
			if _, err := server.Do(s.ctx, "FLUSHALL"); err != nil {
				return err
			}
		}
		s.timeline.Event("redis-locks", "FLUSHALL")
		return nil
	}),
}

// The levels in Redis are gone, and the replica is dead that would have written the new one.
// A replica that finds no level rebuilds it from Postgres: unlike after kill-after-commit,
// none believes a stale one.
var flushStock = Fault{
	Name: "flush-stock", Title: "FLUSHALL on the stock Redis; the holder is killed after its COMMIT, before it tells Redis",
	Modes: leased, TTL: shortTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.committed(s.A)
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
		s.timeline.Event("redis-stock", "FLUSHALL")
		if err := s.kill(s.A); err != nil {
			return err
		}
		s.fired("The stock Redis was emptied, and %s killed before its write-back", s.A.ID)
		gate.Sever()
		return s.answered(s.A, s.B)
	},
}
