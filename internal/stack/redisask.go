package stack

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"
)

// redisOptions returns the options of a client for one question: retries are up to the caller,
// and time limits to the context. They hold its only connection, dialled here, since the client
// would print that a server is not there yet.
func redisOptions(ctx context.Context, addr string) (*redis.Options, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &redis.Options{
		Dialer:   func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
	}, nil
}

// redisDo sends a command to the server at addr and returns the text that it
// answers.
func redisDo(ctx context.Context, addr string, args ...any) (string, error) {
	options, err := redisOptions(ctx, addr)
	if err != nil {
		return "", err
	}
	client := redis.NewClient(options)
	defer client.Close()
	answer, err := client.Do(ctx, args...).Result()
	if err != nil {
		return "", fmt.Errorf("%s: %v: %w", addr, args, err)
	}
	return fmt.Sprint(answer), nil
}

// redisInfo sends a command whose answer is lines of name:value, and returns an
// error unless they hold the fields that are wanted.
func redisInfo(ctx context.Context, addr string, want map[string]string, args ...any) error {
	text, err := redisDo(ctx, addr, args...)
	if err != nil {
		return err
	}
	got := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		got[name] = value
	}
	return fields(addr, got, want)
}

// fields returns an error unless got has all the fields of want.
func fields(addr string, got, want map[string]string) error {
	for name, value := range want {
		if got[name] != value {
			return fmt.Errorf("%s: %s is %q, want %q", addr, name, got[name], value)
		}
	}
	return nil
}

// sentinelView returns what the sentinel at addr knows of a master and of its replicas, and an
// error unless enough sentinels are there to replace it.
func sentinelView(ctx context.Context, addr, name string) (master map[string]string, replicas []map[string]string, err error) {
	options, err := redisOptions(ctx, addr)
	if err != nil {
		return nil, nil, err
	}
	client := redis.NewSentinelClient(options)
	defer client.Close()
	if master, err = client.Master(ctx, name).Result(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", addr, err)
	}
	if replicas, err = client.Replicas(ctx, name).Result(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", addr, err)
	}
	if err := client.CkQuorum(ctx, name).Err(); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", addr, err)
	}
	return master, replicas, nil
}

// clusterShards returns the nodes of each shard that are online, according to the node at addr.
func clusterShards(ctx context.Context, addr string) ([][]string, error) {
	options, err := redisOptions(ctx, addr)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(options)
	defer client.Close()
	shards, err := client.ClusterShards(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	found := make([][]string, len(shards))
	for i, shard := range shards {
		for _, node := range shard.Nodes {
			if node.Health == "online" {
				found[i] = append(found[i], address(int(node.Port)))
			}
		}
	}
	return found, nil
}
