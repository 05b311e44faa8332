package stack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Sizes of a cluster, which has 16384 slots whatever its size.
const (
	clusterMasters = 3
	clusterNodes   = 2 * clusterMasters
	clusterSlots   = 16384
)

// RedisCluster is a Redis Cluster of three masters, each with a replica that
// takes its place once the others have not heard of it for two seconds.
type RedisCluster struct {
	// Nodes are the masters at the start and then their replicas: node i+3 is
	// a copy of node i.
	Nodes []*Redis
	Addrs []string // host:port of the nodes

	buses []int // ports on which the nodes talk to each other
}

// RedisCluster starts a cluster and waits until every node agrees that it
// serves all slots, each from a master and a replica. Further arguments are as
// in Redis. The nodes' names are the cluster's with -1 to -6 behind. If one does
// not start, the error says why and none is left running.
func (s *Stack) RedisCluster(ctx context.Context, name string, args ...string) (*RedisCluster, error) {
	c := &RedisCluster{
		Nodes: make([]*Redis, clusterNodes),
		Addrs: make([]string, clusterNodes),
		buses: make([]int, clusterNodes),
	}
	err := startGroup(ctx, name, func(ctx context.Context, members *group) error {
		if err := c.start(ctx, s, members, name, args); err != nil {
			return err
		}
		if err := c.form(ctx, members); err != nil {
			return err
		}
		return members.await(ctx, c.ready)
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *RedisCluster) start(ctx context.Context, s *Stack, members *group, name string, args []string) error {
	return members.start(ctx, clusterNodes, func(ctx context.Context, i int) (*Process, error) {
		node, err := s.redis(ctx, fmt.Sprintf("%s-%d", name, i+1), 2, nil, func(ports []int) []string {
			c.buses[i] = ports[1]
			return append([]string{
				"--cluster-enabled", "yes", "--cluster-node-timeout", "2000",
				// By default 10000 above the other: among the ports of outgoing connections.
				"--cluster-port", strconv.Itoa(ports[1]),
			}, append(replicationArgs(), args...)...)
		})
		if err != nil {
			return nil, err
		}
		c.Nodes[i], c.Addrs[i] = node, node.Addr
		return node.Process, nil
	})
}

// form makes one cluster of the nodes.
func (c *RedisCluster) form(ctx context.Context, members *group) error {
	ids := make([]string, clusterNodes)
	for i, addr := range c.Addrs {
		var err error
		if ids[i], err = redisDo(ctx, addr, "CLUSTER", "MYID"); err != nil {
			return err
		}
		// Different from the start, so that the nodes need not resolve a conflict of epochs.
		if _, err := redisDo(ctx, addr, "CLUSTER", "SET-CONFIG-EPOCH", i+1); err != nil {
			return err
		}
		// Each meets every other: to hear of them by gossip takes longer.
		for j := range i {
			_, err := redisDo(ctx, addr, "CLUSTER", "MEET", loopback, c.Nodes[j].port, c.buses[j])
			if err != nil {
				return err
			}
		}
	}
	for i, addr := range c.Addrs[:clusterMasters] {
		first, next := i*clusterSlots/clusterMasters, (i+1)*clusterSlots/clusterMasters
		if _, err := redisDo(ctx, addr, "CLUSTER", "ADDSLOTSRANGE", first, next-1); err != nil {
			return err
		}
	}
	for i, addr := range c.Addrs[clusterMasters:] {
		err := members.await(ctx, func(ctx context.Context) error {
			// Refused until the node has met its master.
			_, err := redisDo(ctx, addr, "CLUSTER", "REPLICATE", ids[i])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ready returns an error unless every node has the same view of the whole
// cluster and the replicas have their masters' data.
func (c *RedisCluster) ready(ctx context.Context) error {
	for _, addr := range c.Addrs {
		want := map[string]string{
			"cluster_state":       "ok",
			"cluster_known_nodes": strconv.Itoa(clusterNodes),
			"cluster_size":        strconv.Itoa(clusterMasters),
		}
		if err := redisInfo(ctx, addr, want, "CLUSTER", "INFO"); err != nil {
			return err
		}
		shards, err := clusterShards(ctx, addr)
		if err != nil {
			return err
		}
		for _, nodes := range shards {
			if len(nodes) != clusterNodes/clusterMasters {
				return fmt.Errorf("%s: a part of the slots has the nodes %v", addr, nodes)
			}
		}
	}
	return replicasLinked(ctx, c.Nodes[clusterMasters:])
}

// Clusters returns an error if Redis is too old for RedisCluster.
func Clusters() error {
	for _, server := range Find() {
		major, _, _ := strings.Cut(server.Version, ".")
		if n, err := strconv.Atoi(major); server.Name == redisName && err == nil && n < 7 {
			return fmt.Errorf("stack: Redis %s is too old for a cluster on one machine, which takes 7", server.Version)
		}
	}
	return nil
}
