package fault

import (
	"slices"

	"orderd/loadtest/fleet"
)

// ZooKeeper's majority elects another leader, and the sessions go on: the holder keeps its
// lock, and waiters go on waiting.
var leaderKilled = Fault{
	Name: "zk-leader-killed", Title: "ZooKeeper's leader is killed",
	Modes: []string{zookeeper}, TTL: electionTTL, Own: fleet.Own{Ensemble: true}, Fresh: true, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		return s.bereft(1, func() error {
			return s.await("another leader, which knows the lock", func() (bool, error) {
				if _, err := s.fleet.Ensemble.Leader(s.ctx); err != nil {
					return false, err
				}
				l, err := s.observer.Lock(s.ctx, s.sku)
				return err == nil && l.Replica() == s.A.ID, err
			})
		})
	},
}

// Without a majority no lock can be acquired, and no session can expire either.
var quorumLost = Fault{
	Name: "zk-quorum-lost", Title: "ZooKeeper loses its majority, and gets it back",
	Modes: []string{zookeeper}, TTL: electionTTL, Own: fleet.Own{Ensemble: true}, Fresh: true, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		return s.bereft(2, func() error {
			return s.await("nobody to say who holds the lock", func() (bool, error) {
				_, err := s.observer.Lock(s.ctx, s.sku)
				return err != nil, nil
			})
		})
	},
}

// bereft has r1 hold the lock and r2 wait for it while n servers of the ensemble are killed,
// the leader among them. They are restarted once r1's order is answered.
func (s *Scene) bereft(n int, seen func() error) error {
	gate, err := s.contended()
	if err != nil {
		return err
	}
	leader, err := s.fleet.Ensemble.Leader(s.ctx)
	if err != nil {
		return err
	}
	servers := slices.Clone(s.fleet.Ensemble.Servers)
	servers[0], servers[leader] = servers[leader], servers[0]
	for _, server := range servers[:n] {
		if err := server.Kill(); err != nil {
			return err
		}
		s.timeline.Event("zookeeper", "a server killed")
	}
	if err := seen(); err != nil {
		return err
	}
	s.fired("%d of %d servers were killed, the leader among them", n, len(servers))
	gate.Pass()
	if err := s.answered(s.A); err != nil {
		return err
	}
	if err := restartAll(s.ctx, servers[:n]); err != nil {
		return err
	}
	return s.answered(s.B)
}
