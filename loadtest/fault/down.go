package fault

import (
	"fmt"

	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// Without a lock service there are no locks, and without locks no sales: no replica falls
// back to a weaker lock. When the service is back, replicas sell again.
var serviceDown = Fault{
	Name: "service-down", Title: "the lock service is down, and comes back",
	Modes: []string{redis, redlock, zookeeper}, TTL: shortTTL, Excludes: true, Own: fleet.Own{ZooKeeper: true},
	Breaks: never,
	Schedule: func(s *Scene) error {
		servers := s.lockServers()
		if err := killAll(servers); err != nil {
			return err
		}
		s.timeline.Event("lock service", "down")
		s.order(s.A)
		s.order(s.B)
		if err := s.answered(s.A, s.B); err != nil {
			return err
		}
		for _, a := range []*Actor{s.A, s.B} {
			if code := s.orders[a].op.Code; code != "unavailable" {
				return fmt.Errorf("%s answered %q without a lock service", a.ID, code)
			}
		}
		s.fired("Both replicas refused to sell without the lock service")
		if err := restartAll(s.ctx, servers); err != nil {
			return err
		}
		s.timeline.Event("lock service", "back")
		for _, a := range []*Actor{s.A, s.B} {
			if err := s.sells(a); err != nil {
				return err
			}
		}
		first, err := s.contended()
		if err != nil {
			return err
		}
		first.Pass()
		return s.answered(s.A, s.B)
	},
}

// lockServers returns the servers that have to be down for nobody to get a lock.
func (s *Scene) lockServers() []*stack.Process {
	switch s.mode {
	case redlock:
		var most []*stack.Process
		for _, master := range s.fleet.Masters[:len(s.fleet.Masters)/2+1] {
			most = append(most, master.Process)
		}
		return most
	case zookeeper:
		return []*stack.Process{s.fleet.ZooKeeper.Process}
	default:
		return []*stack.Process{s.fleet.Locks.Process}
	}
}
