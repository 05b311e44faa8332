package stack

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

const haproxyName = "HAProxy"

// HAProxy is a load balancer in front of other servers.
type HAProxy struct {
	*Process
	Addr string // host:port
}

// HAProxy starts a load balancer. config returns its configuration for the port to listen on,
// and ready checks that it is what answers at an address.
func (s *Stack) HAProxy(ctx context.Context, name string, config func(port int) string, ready func(ctx context.Context, addr string) error) (*HAProxy, error) {
	server := s.find.balancer()
	if err := Missing([]Server{server}); err != nil {
		return nil, err
	}
	dir, err := s.folder(name, nil)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	h := &HAProxy{}
	err = s.onFreePorts(1, func(ports []int) error {
		h.Addr = address(ports[0])
		if err := os.WriteFile(file, []byte(config(ports[0])), 0o600); err != nil {
			return fmt.Errorf("write HAProxy's settings: %w", err)
		}
		var err error
		h.Process, err = s.Start(ctx, Command{
			Name: name, Path: server.Path, Args: []string{"-db", "-f", file}, // -db: in the foreground
			Ready: func(ctx context.Context) error { return ready(ctx, h.Addr) },
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return h, nil
}

// FindHAProxy looks for the load balancer, which only some need.
func FindHAProxy() Server {
	server := defaultFinder().balancer()
	server.Version = version(server)
	return server
}

func (f finder) balancer() Server {
	s := Server{Name: haproxyName, Package: "haproxy", Path: program("haproxy", f.path)}
	if s.Path == "" {
		s.Install = install([]string{s.Package})
	}
	return s
}
