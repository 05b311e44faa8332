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

// Next implements zk.HostProvider. It reports true, at which the client pauses for a second,
// only once every server has failed: a dropped connection is replaced at once, as the
// session's time is running.
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
	granted  func() time.Duration // the session's time-out: the patience with a server that has answered the handshake
	over     func() bool          // whether the session cannot be alive any more
	tls      *tls.Config          // nil: unencrypted

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

// encrypt starts TLS, if it is configured, within a limit, and verifies the server.
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

// close cuts the connection and refuses others, so that the client ends even where it would
// wait for a silent server.
func (d *zkDialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.conn != nil {
		_ = d.conn.Close() // if it is closed already, that is as good
	}
}

// A zkConn limits the time of every read. The client allows a new server nearly seven session
// time-outs to answer the handshake, in which it could have asked another one.
//
// It also corrects the client's handshake, the first thing that the client writes. In it the
// client tells the latest zxid that it has seen, so that a server that is behind refuses it.
// Servers that have lost their data would do so for ever; once the session is over, that zxid
// means nothing, and is cleared.
type zkConn struct {
	net.Conn
	patience time.Duration
	granted  func() time.Duration
	fresh    bool // the next write is a handshake to correct
	greeted  bool // the server has answered it
}

// Read implements net.Conn.
func (c *zkConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.greeted = c.greeted || n > 0
	return n, err
}

// Write implements net.Conn, but never fails: it ends the connection instead. The client
// reports a failed write to the requester, and once more when the connection has ended. A
// requester that does not listen, as while the client closes or authenticates again, may have
// no room for both reports, and the client then hangs for good. The end of the connection
// alone is reported once.
func (c *zkConn) Write(b []byte) (int, error) {
	const from, to = 8, 16 // the zxid, behind the packet's length and the protocol's version
	if c.fresh && len(b) >= to {
		clear(b[from:to])
	}
	c.fresh = false
	if _, err := c.Conn.Write(b); err != nil {
		_ = c.Close() // it is unusable
	}
	return len(b), nil
}

// SetReadDeadline sets the deadline t, or an earlier one if patience ends first.
func (c *zkConn) SetReadDeadline(t time.Time) error {
	patience := c.patience
	if c.greeted { // the client pings only as often as the granted time-out requires
		patience = max(patience, c.granted())
	}
	latest := time.Now().Add(patience)
	if t.IsZero() || t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}
