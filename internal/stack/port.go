package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are drawn from below the ranges that Linux (32768) and macOS (49152)
// take the local ports of outgoing connections from, so that a server that is
// stopped finds its port free when it comes back.
const (
	firstPort = 12000
	lastPort  = 31999
)

// portTries bounds both the search for a port and the number of servers started
// because another program took theirs first.
const portTries = 5

// FreePorts returns n different loopback ports on which nothing listens now.
// Another program may take one before the caller does: be ready to try again.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := listen()
		if err != nil {
			return nil, err
		}
		// All stay open until the last is found, so no two are the same.
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func freePort() (int, error) {
	ports, err := FreePorts(1)
	if err != nil {
		return 0, err
	}
	return ports[0], nil
}

func listen() (net.Listener, error) {
	var errs []error
	for range 10 * portTries {
		l, err := net.Listen("tcp", address(firstPort+rand.IntN(lastPort-firstPort+1)))
		if err == nil {
			return l, nil
		}
		errs = append(errs, err)
	}
	return nil, fmt.Errorf("find a free port: %w", errors.Join(errs...))
}

// address is a port's loopback address.
func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// onFreePort runs start with a free port, and again with another one if
// somebody else has taken the first by the time the server ended.
func (s *Stack) onFreePort(start func(port int) (*Process, error)) (*Process, error) {
	for try := 1; ; try++ {
		port, err := s.port()
		if err != nil {
			return nil, err
		}
		p, err := start(port)
		if err == nil || !errors.Is(err, errExited) || try == portTries {
			return p, err
		}
		l, taken := net.Listen("tcp", address(port))
		if taken == nil {
			l.Close()
			return nil, err // it ended for a reason of its own
		}
	}
}
