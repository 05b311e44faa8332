package fault

import (
	"syscall"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// anyReplica picks a replica at random.
func (s *loadFault) anyReplica() *stack.Process {
	return s.replicas.Processes[s.random.IntN(len(s.replicas.Processes))]
}

// mayLeak is for faults after which Redis may be behind Postgres, by chance: an order that
// believes it oversells, unless its guard looks at the row.
func mayLeak(_, guard string) bool { return guard != claim && guard != predicate }

var killRandom = Fault{
	Name: "kill-random", Title: "for a minute, every 500 ms a replica is killed and started again, under load",
	Modes: leased, TTL: shortTTL, Work: loadWork,
	Breaks: never, May: mayLeak,
	Disruption: &disruption{lasts: time.Minute, every: 500 * time.Millisecond, stock: 600, inject: func(s *loadFault) error {
		p := s.anyReplica()
		return s.timeline.Down(replicaOf(p), "killed", func() error {
			if err := p.Kill(); err != nil {
				return err
			}
			return p.Restart(s.ctx)
		})
	}},
}

// A replica that gets SIGTERM finishes what it has begun and releases its locks: there is
// nothing for a guard to catch.
var sigterm = Fault{
	Name: "sigterm", Title: "replicas get SIGTERM and are restarted, one at a time, under load",
	Modes: leased, TTL: shortTTL, Work: loadWork,
	Breaks: never,
	Disruption: &disruption{lasts: 8 * time.Second, every: time.Second, stock: 120, inject: func(s *loadFault) error {
		p := s.anyReplica()
		return s.timeline.Down(replicaOf(p), "SIGTERM", func() error {
			if err := p.Stop(s.ctx); err != nil {
				return err
			}
			return p.Restart(s.ctx)
		})
	}},
}

var postgresRestart = Fault{
	Name: "postgres-restart", Title: "Postgres ends at once, as in a crash, and comes back, under load",
	Modes: leased, TTL: shortTTL, Work: loadWork, Own: fleet.Own{Postgres: true},
	Breaks: never, May: mayLeak,
	Disruption: &disruption{lasts: 8 * time.Second, every: 2 * time.Second, stock: 120, inject: func(s *loadFault) error {
		pg := s.fleet.Postgres
		return s.timeline.Down("postgres", "down", func() error {
			if err := pg.EndBy(s.ctx, syscall.SIGQUIT); err != nil {
				return err
			}
			return pg.Restart(s.ctx)
		})
	}},
}
