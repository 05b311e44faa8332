package stack

import (
	"context"
	"net"
	"sync"
)

// claims are the ports that this process has drawn. A server does not listen on each
// of its own all the time (a member of an ensemble that comes to lead only then, one
// that is restarted not meanwhile), and somebody who draws it as a free one would keep
// it from coming back. The port of the same number for datagrams, which no server of
// ours uses, tells other processes: the system gives it up with this one, however that
// ends, and nothing stays behind.
var claims struct {
	mu   sync.Mutex
	held []net.PacketConn
}

// claim takes a port for this process until it ends, and reports false if somebody
// has it already.
func claim(port int) bool {
	held, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp", address(port)) // which waits for nobody
	if err != nil {
		return false
	}
	claims.mu.Lock()
	defer claims.mu.Unlock()
	claims.held = append(claims.held, held) // lest it be collected, and closed
	return true
}
