package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// masterName is what the sentinels call their master.
const masterName = "orderd"

// Sizes of a Sentinel group. With two replicas, one is still a replica after the other has
// become the master.
const (
	sentinelReplicas = 2
	sentinelCount    = 3
)

// Sentinel is a Redis master with two replicas, and the three sentinels that promote a replica
// once two of them have not heard of the master for two seconds.
type Sentinel struct {
	Master     *Redis   // the master at the start
	Replicas   []*Redis // its replicas at the start
	Sentinels  []*SentinelServer
	MasterName string   // what to ask the sentinels for
	Addrs      []string // host:port of the sentinels
}

// A SentinelServer is one of the sentinels of a group.
type SentinelServer struct {
	*Process
	Addr string // host:port
}

// The sentinel rewrites this file whenever its view changes. It tries to connect only once a
// second: if a server counted as down after no more than that, so would a new master before it
// could be asked.
const sentinelSettings = `port %d
bind 127.0.0.1
dir %s
sentinel monitor %[3]s 127.0.0.1 %[4]d 2
sentinel down-after-milliseconds %[3]s 2000
sentinel failover-timeout %[3]s 3000
sentinel parallel-syncs %[3]s 2
`

// Sentinel starts a master, its replicas and their sentinels, and waits until
// they know each other. Further arguments are as in Redis, for the servers that
// hold data. Their names are the group's with an ending: -data-1 is the first
// master's, -data-2 and -data-3 are the replicas', and -sentinel-1 and so on.
// If one does not start, the error says why and none is left running.
func (s *Stack) Sentinel(ctx context.Context, name string, args ...string) (*Sentinel, error) {
	g := &Sentinel{MasterName: masterName}
	err := startGroup(ctx, name, func(ctx context.Context, members *group) error {
		if err := g.startData(ctx, s, members, name, args); err != nil {
			return err
		}
		if err := g.startSentinels(ctx, s, members, name); err != nil {
			return err
		}
		return members.await(ctx, g.ready)
	})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// startData starts the servers that hold data and makes replicas of all but the
// first.
func (g *Sentinel) startData(ctx context.Context, s *Stack, members *group, name string, args []string) error {
	args = append(replicationArgs(), args...)
	data := make([]*Redis, 1+sentinelReplicas)
	err := members.start(ctx, len(data), func(ctx context.Context, i int) (*Process, error) {
		var err error
		if data[i], err = s.Redis(ctx, fmt.Sprintf("%s-data-%d", name, i+1), args...); err != nil {
			return nil, err
		}
		return data[i].Process, nil
	})
	if err != nil {
		return err
	}
	g.Master, g.Replicas = data[0], data[1:]
	for _, replica := range g.Replicas {
		// By command, and written to its file by the server, as after a failover: an argument
		// would override what sentinels rewrite there.
		if _, err := redisDo(ctx, replica.Addr, "REPLICAOF", loopback, g.Master.port); err != nil {
			return err
		}
		if _, err := redisDo(ctx, replica.Addr, "CONFIG", "REWRITE"); err != nil {
			return err
		}
	}
	return members.await(ctx, func(ctx context.Context) error { return replicasLinked(ctx, g.Replicas) })
}

// replicasLinked returns an error unless each is a replica that has its
// master's data.
func replicasLinked(ctx context.Context, replicas []*Redis) error {
	for _, replica := range replicas {
		want := map[string]string{"role": "slave", "master_link_status": "up"}
		if err := redisInfo(ctx, replica.Addr, want, "INFO", "replication"); err != nil {
			return err
		}
	}
	return nil
}

func (g *Sentinel) startSentinels(ctx context.Context, s *Stack, members *group, name string) error {
	g.Sentinels = make([]*SentinelServer, sentinelCount)
	g.Addrs = make([]string, sentinelCount)
	return members.start(ctx, sentinelCount, func(ctx context.Context, i int) (*Process, error) {
		watcher, err := s.sentinelServer(ctx, fmt.Sprintf("%s-sentinel-%d", name, i+1), g.Master.port)
		if err != nil {
			return nil, err
		}
		g.Sentinels[i], g.Addrs[i] = watcher, watcher.Addr
		return watcher.Process, nil
	})
}

// sentinelServer starts a sentinel of the master on the given port.
func (s *Stack) sentinelServer(ctx context.Context, name string, master int) (*SentinelServer, error) {
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	settings := filepath.Join(dir, "sentinel.conf")
	w := &SentinelServer{}
	err = s.onFreePorts(1, func(ports []int) error {
		w.Addr = address(ports[0])
		text := fmt.Appendf(nil, sentinelSettings, ports[0], dir, masterName, master)
		if err := os.WriteFile(settings, text, 0o600); err != nil {
			return fmt.Errorf("write the sentinel's settings: %w", err)
		}
		var err error
		w.Process, err = s.Start(ctx, Command{
			Name: name,
			Path: s.find.redis(),
			Args: []string{settings, "--sentinel"},
			Ready: func(ctx context.Context) error {
				// No other program has this file: this is the one that was started.
				want := map[string]string{"redis_mode": "sentinel", "config_file": settings}
				return redisInfo(ctx, w.Addr, want, "INFO", "server")
			},
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// ready returns an error unless every sentinel watches the master, could make
// any of its replicas the next one, and knows the other sentinels.
func (g *Sentinel) ready(ctx context.Context) error {
	for _, addr := range g.Addrs {
		master, replicas, err := sentinelView(ctx, addr, g.MasterName)
		if err != nil {
			return err
		}
		err = fields(addr, master, map[string]string{
			"flags": "master", "port": strconv.Itoa(g.Master.port),
			"num-slaves":          strconv.Itoa(sentinelReplicas),
			"num-other-sentinels": strconv.Itoa(sentinelCount - 1),
		})
		if err != nil {
			return err
		}
		for _, replica := range replicas {
			want := map[string]string{"flags": "slave", "master-link-status": "ok"}
			if err := fields(addr, replica, want); err != nil {
				return err
			}
		}
	}
	return nil
}
