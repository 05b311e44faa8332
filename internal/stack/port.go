package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
)

// Ports are drawn from below the ranges that Linux (32768) and macOS (49152)
// take the local ports of outgoing connections from, so that a server that is
// stopped finds its port free when it comes back.
const (
	firstPort = 12000
	lastPort  = 31999
)

// loopback is where every server listens.
const loopback = "127.0.0.1"

// portTries bounds both the search for a port and the number of servers started
// because another program took theirs first.
const portTries = 5

// FreePorts returns n different loopback ports on which nothing listens now, and
// which nobody else gets from here before this process ends. Another program may
// take one before the caller does: be ready to try again.
func FreePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		l, err := listen()
		if err != nil {
			return nil, err
		}
		// All stay open until the last is found, so no two are the same.
		defer l.Close()
		ports = append(ports, portOf(l))
	}
	return ports, nil
}

func listen() (net.Listener, error) {
	var errs []error
	for range 10 * portTries {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		l, err := net.Listen("tcp", address(port))
		switch {
		case err != nil:
			errs = append(errs, err)
		case !claim(port):
			errs = append(errs, l.Close(), fmt.Errorf("%d is another server's", port))
		default:
			return l, nil
		}
	}
	return nil, fmt.Errorf("find a free port: %w", errors.Join(errs...))
}

// address is a port's loopback address.
func address(port int) string {
	return net.JoinHostPort(loopback, strconv.Itoa(port))
}

// onFreePorts runs start with n free ports, and again with others if somebody
// else has taken one of the first by the time a server ended.
func (s *Stack) onFreePorts(n int, start func(ports []int) error) error {
	for try := 1; ; try++ {
		ports, err := s.ports(n)
		if err != nil {
			return err
		}
		err = start(ports)
		if err == nil || !errors.Is(err, ErrExited) || try == portTries {
			return err
		}
		if !slices.ContainsFunc(ports, taken) {
			return err // it ended for a reason of its own
		}
	}
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func taken(port int) bool {
	l, err := net.Listen("tcp", address(port))
	if err != nil {
		return true
	}
	l.Close()
	return false
}
