package stack

import (
	"context"
	"net"
	"sync"
)

// claims are the ports that this process has chosen. A server does not listen on all of its
// ports all the time (an ensemble's member on its leader port only while it leads, a restarting
// server on none), and a process that took such a port as free would keep the server from
// coming back. So each port is claimed by holding the UDP port of the same number, which none
// of our servers uses: other processes see that, and the system releases it when this process
// ends, however it ends.
var claims struct {
	mu   sync.Mutex
	held []net.PacketConn
}

// claim takes a port for this process until it ends, and reports false if it is claimed
// already.
func claim(port int) bool {
	held, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", address(port)) // which does not block
	if err != nil {
		return false
	}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	claims.held = append(claims.held, held) // or it would be garbage-collected, and closed
	return true
}
