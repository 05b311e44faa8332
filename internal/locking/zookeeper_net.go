package locking

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// zkHosts hands out the servers in turn. Names are resolved at each dial and
// not once at the start: a server may come up, or move, later.
type zkHosts struct {
	mu      sync.Mutex
	servers []string
	next    int
	tried   int // since the last success
}

// Init implements zk.HostProvider.
func (h *zkHosts) Init(servers []string) error {
	h.servers = servers
	return nil
}

// Len implements zk.HostProvider.
func (h *zkHosts) Len() int { return len(h.servers) }

// Next implements zk.HostProvider. It reports true, at which the client rests
// for a second, only once every server has failed: a dropped connection is
// replaced at once, for the session's time is running.
func (h *zkHosts) Next() (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	rest := h.tried >= len(h.servers)
	if rest {
		h.tried = 0
	}
	h.tried++
	server := h.servers[h.next]
	h.next = (h.next + 1) % len(h.servers)
	return server, rest
}

// Connected implements zk.HostProvider.
func (h *zkHosts) Connected() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tried = 0
}

// A zkDialer opens the client's connections, one at a time, and can cut them.
type zkDialer struct {
	patience time.Duration        // with a server that accepts a connection and says nothing
	granted  func() time.Duration // the session's time-out: a server that has said hello has that
	over     func() bool          // whether the session cannot be alive any more
	tls      *tls.Config          // nil: in the clear

	mu     sync.Mutex
	conn   net.Conn
	closed bool
}

func (d *zkDialer) dial(network, address string, limit time.Duration) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, limit)
	if err != nil {
		return nil, err
	}
	if conn, err = d.encrypt(conn, address, limit); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	d.conn = conn
	return &zkConn{Conn: conn, patience: d.patience, granted: d.granted, fresh: d.over()}, nil
}

// encrypt makes sure who is at the other end, within a limit, and that nobody
// else hears it.
func (d *zkDialer) encrypt(conn net.Conn, address string, limit time.Duration) (net.Conn, error) {
	if d.tls == nil {
		return conn, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	config := d.tls.Clone()
	config.ServerName = host
	encrypted := tls.Client(conn, config)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return encrypted, nil
}

// close cuts the connection and refuses others, so that the client, which
// would wait for a silent server, comes to its end.
func (d *zkDialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.conn != nil {
		_ = d.conn.Close() // a connection that is closed already is as good
	}
}

// A zkConn limits every read. The client allows a new server nearly seven
// session time-outs to say hello, in which it could have asked another one.
//
// It also mends the greeting, the first thing that the client writes. In it the
// client tells the latest change that it has seen, so that a server that is
// behind refuses it. Servers that have lost their data would do so for ever;
// when the session is over, the client has no claim to have seen anything.
type zkConn struct {
	net.Conn
	patience time.Duration
	granted  func() time.Duration
	fresh    bool // the next write is a greeting to mend
	greeted  bool // the server has answered it
}

// Read implements net.Conn.
func (c *zkConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.greeted = c.greeted || n > 0
	return n, err
}

// Write implements net.Conn, but for its errors: it ends the connection instead.
// Of a request whose writing fails the client tells the requester, and once more
// when the connection has ended; a requester who does not listen, as in its Close
// after a second, or for its watches, has room for one of the two, and the client
// hangs for good. The end of the connection tells each of them once.
func (c *zkConn) Write(b []byte) (int, error) {
	const from, to = 8, 16 // behind the packet's length and the protocol's version
	if c.fresh && len(b) >= to {
		clear(b[from:to])
	}
	c.fresh = false
	if _, err := c.Conn.Write(b); err != nil {
		_ = c.Close() // it is of no use any more
	}
	return len(b), nil
}

// SetReadDeadline sets the deadline, or an earlier one.
func (c *zkConn) SetReadDeadline(t time.Time) error {
	patience := c.patience
	if c.greeted { // the client asks rarely enough for the time-out that was granted
		patience = max(patience, c.granted())
	}
	latest := time.Now().Add(patience)
	if t.IsZero() || t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}
