package stack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Redis is a Redis server that keeps nothing on disk and has 256 databases.
type Redis struct {
	*Process
	Addr string // host:port
	URL  string // redis://host:port
}

// Redis starts a Redis server. Further arguments are redis-server's own and
// override the stack's: "--appendonly", "yes".
func (s *Stack) Redis(ctx context.Context, name string, args ...string) (*Redis, error) {
	if err := s.find.need(redisName); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	r := &Redis{}
	r.Process, err = s.onFreePort(func(port int) (*Process, error) {
		r.Addr = address(port)
		r.URL = "redis://" + r.Addr
		return s.Start(ctx, Command{
			Name: name,
			Path: s.find.redis(),
			Args: append([]string{
				"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
				"--save", "", "--appendonly", "no", "--databases", "256",
			}, args...),
			Ready: func(ctx context.Context) error { return redisReady(ctx, r.Addr, dir) },
		})
	})
	if err != nil {
		return nil, err
	}
	return r, nil
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
