package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Redis is a Redis server that keeps nothing on disk and has 256 databases.
type Redis struct {
	*Process
	Addr string // host:port
	URL  string // redis://host:port

	port int
}

// Redis starts a Redis server. Further arguments are redis-server's own and override the
// stack's, such as "--appendonly", "yes".
func (s *Stack) Redis(ctx context.Context, name string, args ...string) (*Redis, error) {
	return s.redis(ctx, name, 1, nil, func([]int) []string { return args })
}

// Do sends the server a command over a connection of its own and returns the
// answer as text. The command may be one that makes the server refuse others.
func (r *Redis) Do(ctx context.Context, args ...any) (string, error) {
	return redisDo(ctx, r.Addr, args...)
}

// redis starts a Redis server on the first of n free ports. Its further
// arguments may name the others; env is added to its environment.
func (s *Stack) redis(ctx context.Context, name string, n int, env []string, args func(ports []int) []string) (*Redis, error) {
	if err := s.find.need(redisName); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	// Empty, for the server to write: CONFIG REWRITE has nowhere else to keep a changed role.
	settings := filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(settings, nil, 0o600); err != nil {
		return nil, fmt.Errorf("write Redis's settings: %w", err)
	}
	r := &Redis{}
	err = s.onFreePorts(n, func(ports []int) error {
		r.port = ports[0]
		r.Addr = address(r.port)
		r.URL = "redis://" + r.Addr
		var err error
		r.Process, err = s.Start(ctx, Command{
			Name:  name,
			Path:  s.find.redis(),
			Args:  append(redisArgs(settings, dir, "--port", strconv.Itoa(r.port)), args(ports)...),
			Env:   env,
			Ready: func(ctx context.Context) error { return redisReady(ctx, r.Addr, dir) },
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

func redisArgs(settings, dir string, more ...string) []string {
	return append([]string{
		settings, "--bind", loopback, "--dir", dir,
		"--save", "", "--appendonly", "no", "--databases", "256",
	}, more...)
}

// replicationArgs make replicas of an idle master usable within a second: they get its data at
// once, and a ping every second advances their offset.
func replicationArgs() []string {
	return []string{"--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"}
}

// redisReady makes sure that the server answers and is the one that works in
// dir.
func redisReady(ctx context.Context, addr, dir string) error {
	answer, err := ask(ctx, addr, "PING\r\nCONFIG GET dir\r\nQUIT\r\n")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "+PONG\r\n") || !strings.Contains(answer, "\r\n"+dir+"\r\n") {
		return fmt.Errorf("unexpected answer of Redis: %q", answer)
	}
	return nil
}
