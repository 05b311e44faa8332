package stack

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// clusterKeys are keys whose slots are spread over all masters.
func clusterKeys() []string {
	var keys []string
	for i := range 100 {
		keys = append(keys, fmt.Sprintf("key-%d", i))
	}
	return keys
}

// setAll sets the keys with a client that knows the nodes at addrs, and reads them back. The
// client is new: an existing one would use its old view of the cluster for long.
func setAll(ctx context.Context, addrs, keys []string, value string) error {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	defer c.Close()
	for _, key := range keys {
		if err := c.Set(ctx, key, value, 0).Err(); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		got, err := c.Get(ctx, key).Result()
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if got != value {
			return fmt.Errorf("%s is %q, want %q", key, got, value)
		}
	}
	return nil
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	g, err := s.RedisCluster(t.Context(), "cluster")
	if err != nil {
		t.Fatal(err)
	}
	if port := slices.Max(g.buses); port > lastPort {
		t.Errorf("a node has the port %d, which outgoing connections are given", port)
	}
	keys := clusterKeys()
	if err := setAll(t.Context(), g.Addrs, keys, "before"); err != nil {
		t.Fatal(err)
	}
	for i, node := range g.Nodes[:clusterMasters] {
		replica := g.Nodes[i+clusterMasters]
		n, err := mustDial(t, node.Addr).DBSize(t.Context()).Result()
		if err != nil || n == 0 {
			t.Errorf("master %d has %d keys, %v", i, n, err)
		}
		eventually(t, "the replica has its master's keys", func() error {
			copied, err := mustDial(t, replica.Addr).DBSize(t.Context()).Result()
			if err == nil && copied != n {
				err = fmt.Errorf("replica %d has %d keys, want %d", i, copied, n)
			}
			return err
		})
	}

	if err := g.Nodes[0].Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replica takes over", func() error { return serveWithout(t.Context(), g, 0) })
	eventually(t, "every slot is served", func() error {
		return setAll(t.Context(), g.Addrs[1:], keys, "after")
	})

	if err := g.Nodes[0].Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is whole again", func() error {
		// The two have changed places.
		now := &RedisCluster{Addrs: g.Addrs, Nodes: slices.Clone(g.Nodes)}
		now.Nodes[0], now.Nodes[clusterMasters] = g.Nodes[clusterMasters], g.Nodes[0]
		return now.ready(t.Context())
	})
	mustLeaveNothing(t, s)
}

// serveWithout returns an error unless all but the given master agree that its
// replica has taken its place.
func serveWithout(ctx context.Context, g *RedisCluster, lost int) error {
	next := regexp.MustCompile(g.Addrs[lost+clusterMasters] + `@\d+ (myself,)?master `)
	for i, addr := range g.Addrs {
		if i == lost {
			continue
		}
		nodes, err := redisDo(ctx, addr, "CLUSTER", "NODES")
		if err != nil {
			return err
		}
		if !next.MatchString(nodes) {
			return fmt.Errorf("%s knows of no new master:\n%s", addr, nodes)
		}
	}
	return nil
}

// A node whose second port is taken gets other ports, both of them.
func TestRedisCluster_portTaken(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	stranger, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	theirs := portOf(stranger)
	var tried []int
	s.ports = func(n int) ([]int, error) {
		ports, err := FreePorts(n)
		if err == nil && len(tried) == 0 {
			ports[n-1] = theirs
		}
		return ports, err
	}
	_, err = s.redis(t.Context(), "node", 2, nil, func(ports []int) []string {
		tried = append(tried, ports[1])
		return []string{"--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(ports[1])}
	})
	if err != nil || len(tried) != 2 || tried[0] != theirs {
		t.Errorf("redis() = %v after the ports %v", err, tried)
	}
}
