// Package locks measures locks: orderd's modes beside public libraries, on the
// same servers, in the same run.
package locks

import (
	"slices"

	"orderd/loadtest/modes"
)

// Servers that contenders need.
const (
	onRedis     = "redis"
	onZooKeeper = "zookeeper"
	onPostgres  = "postgres"
	onMasters   = "masters" // independent Redis servers
)

// A Contender is a lock to be measured, by the name that lockbench knows it by.
type Contender struct {
	Name string
	// Mode tells that it is one of orderd's own; the others are libraries.
	Mode bool
	// Server is what it keeps the lock in, empty for none. Modes are compared with the
	// libraries on the same server.
	Server string
	// OneProcess tells that it excludes only within a process: turns of two processes may
	// overlap.
	OneProcess bool
}

// Contenders lists what can be measured, in the order of tables.
var Contenders = []Contender{
	{Name: modes.Local, Mode: true, OneProcess: true},
	{Name: modes.Redis, Mode: true, Server: onRedis},
	{Name: "redsync", Server: onRedis},
	{Name: "redsync-5ms", Server: onRedis},
	{Name: "redislock", Server: onRedis},
	{Name: "redislock-5ms", Server: onRedis},
	{Name: "rueidislock", Server: onRedis},
	{Name: "rueidislock-1", Server: onRedis},
	{Name: modes.ZooKeeper, Mode: true, Server: onZooKeeper},
	{Name: "zk.Lock", Server: onZooKeeper},
	{Name: modes.Redlock, Mode: true, Server: onMasters},
	{Name: modes.Postgres, Mode: true, Server: onPostgres},
}

// pings are the contenders that measure a server's round trip.
var pings = map[string]Contender{
	onRedis:     {Name: "ping-redis"},
	onZooKeeper: {Name: "ping-zookeeper"},
}

// Names returns the contenders' names.
func Names() []string {
	names := make([]string, len(Contenders))
	for i, c := range Contenders {
		names[i] = c.Name
	}
	return names
}

// Named returns the contenders of those names, each once, in the table's order.
func Named(names []string) []Contender {
	return slices.DeleteFunc(slices.Clone(Contenders), func(c Contender) bool { return !slices.Contains(names, c.Name) })
}

func serversOf(contenders []Contender) []string {
	var servers []string
	for _, c := range contenders {
		if c.Server != "" && !slices.Contains(servers, c.Server) {
			servers = append(servers, c.Server)
		}
	}
	return servers
}
