package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
)

// Ports are chosen below the ranges from which Linux (32768) and macOS (49152) take the local
// ports of outgoing connections, so that a stopped server finds its port free when it comes
// back.
const (
	firstPort = 12000
	lastPort  = 31999
)

// loopback is where every server listens.
const loopback = "127.0.0.1"

// portTries bounds the starts of a server whose ports other programs take first and, times ten,
// the search for a free port.
const portTries = 5

// FreePorts returns n different loopback ports on which nothing listens now, and which no call
// in any process returns again before this process ends. Another program may take one before
// the caller does: be ready to try again.
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

// onFreePorts runs start with n free ports, and again with others if a server has ended and
// another program has taken one of its ports.
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
