package fault

import (
	"errors"
	"syscall"

	"orderd/internal/stack"
	"orderd/loadtest/fleet"
)

// A replica of Redis that lacks the lock becomes master. Stopping the replica is not enough:
// what it has not read yet waits in its socket, so that it would get the lock once it is
// resumed. So the master's end of the connection is closed, too, before the lock is taken.
var sentinelFailover = Fault{
	Name: "sentinel-failover", Title: "Sentinel promotes a replica to which the lock had not been replicated",
	Modes: []string{redis}, TTL: longTTL, Own: fleet.Own{Sentinel: true}, Fresh: true,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		group := s.fleet.Sentinel
		return s.failsOver([]*stack.Redis{group.Master}, group.Replicas, func(int) error {
			return nil // the sentinels promote one
		})
	},
}

var clusterFailover = Fault{
	Name: "cluster-failover", Title: "Redis Cluster promotes a replica to which the lock had not been replicated",
	Modes: []string{redis}, TTL: longTTL, Own: fleet.Own{Cluster: true}, Needs: stack.Clusters, Fresh: true,
	Breaks: unlessGuard(fence, claim, predicate),
	Schedule: func(s *Scene) error {
		nodes := s.fleet.Cluster.Nodes
		half := len(nodes) / 2
		return s.failsOver(nodes[:half], nodes[half:], func(lost int) error {
			// At once, as an operator would: the cluster itself takes longer, which changes
			// nothing.
			_, err := nodes[half+lost].Do(s.ctx, "CLUSTER", "FAILOVER", "TAKEOVER")
			return err
		})
	},
}

// failsOver cuts the replicas off from their masters, has r1 take the lock, and kills the
// master that has it.
func (s *Scene) failsOver(masters, replicas []*stack.Redis, promote func(lost int) error) error {
	var errs []error
	for _, replica := range replicas {
		errs = append(errs, replica.Signal(syscall.SIGSTOP))
	}
	for _, master := range masters {
		_, err := master.Do(s.ctx, "CLIENT", "KILL", "TYPE", "replica")
		errs = append(errs, err)
	}
	defer func() {
		for _, replica := range replicas {
			_ = replica.Signal(syscall.SIGCONT)
		}
	}()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return forgets(func(s *Scene) error {
		lost, err := s.keeperOf(masters)
		if err != nil {
			return err
		}
		if err := masters[lost].Kill(); err != nil {
			return err
		}
		s.timeline.Event("redis master", "killed")
		for _, replica := range replicas {
			if err := replica.Signal(syscall.SIGCONT); err != nil {
				return err
			}
		}
		return promote(lost)
	})(s)
}

// keeperOf finds the master that keeps the lock: the one with a key named after the SKU.
func (s *Scene) keeperOf(masters []*stack.Redis) (int, error) {
	for i, master := range masters {
		keys, err := master.Do(s.ctx, "KEYS", "*:"+s.sku)
		if err != nil {
			return 0, err
		}
		if keys != "[]" {
			return i, nil
		}
	}
	return 0, errors.New("no master has the lock")
}
