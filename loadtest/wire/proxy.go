// Package wire stands between one replica and one server: it cuts them off from each other,
// holds back messages, and records the statements that a replica sends to Postgres.
//
// It is written for the laboratory instead of using a general proxy, for two reasons: a fault
// hits one message of a protocol (the COMMIT, its reply, the reply to an acquire), which has
// to be recognised; and a frozen connection has to go on afterwards with nothing lost, as
// after a partition that healed.
package wire

import (
	"bufio"
	"io"
	"net"
	"sync"
)

// A verdict says what becomes of a frame.
type verdict int

const (
	pass  verdict = iota // it is forwarded
	sever                // it is dropped, and the connection closed
)

// A tap sees the frames of one connection, in order for each direction. It may hold a frame
// back by blocking, but not once closed is closed.
type tap interface {
	toServer(frame []byte, closed <-chan struct{}) verdict
	toClient(frame []byte, closed <-chan struct{}) verdict
}

// A framer reads the next frame for the taps. first tells whether it is the connection's
// first from that side.
type framer func(r *bufio.Reader, fromClient, first bool) ([]byte, error)

// A Proxy forwards connections to a server until it is told otherwise. Its methods are safe
// for concurrent use.
type Proxy struct {
	listener net.Listener
	server   string
	frame    framer
	tap      func() tap // one for each connection
	running  sync.WaitGroup
	frames   freezer

	mu     sync.Mutex
	closed bool
	cut    bool
	links  map[*link]struct{}
}

// A link is one connection through the proxy.
type link struct {
	client, server net.Conn
	closed         chan struct{}
	once           sync.Once
}

func (l *link) close() {
	l.once.Do(func() {
		close(l.closed)
		_ = l.client.Close()
		if l.server != nil {
			_ = l.server.Close()
		}
	})
}

// listen starts a proxy to the server at that address.
func listen(server string, frame framer, newTap func() tap) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{listener: listener, server: server, frame: frame, tap: newTap, links: map[*link]struct{}{}}
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the proxy's address, for the replica.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the proxy and its connections.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	_ = p.listener.Close()
	p.drop()
	p.running.Wait()
}

// Cut closes every connection and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.mu.Lock()
	p.cut = true
	p.mu.Unlock()
	p.drop()
}

// Freeze lets nothing pass, in either direction, and closes nothing, until Heal.
func (p *Proxy) Freeze() { p.frames.freeze() }

// Heal ends a Cut or a Freeze: what was held back goes on.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.cut = false
	p.mu.Unlock()
	p.frames.thaw()
}

func (p *Proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.close()
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	l := &link{client: client, closed: make(chan struct{})}
	defer l.close()
	if !p.enter(l) {
		return
	}
	defer p.leave(l)
	if p.frames.wait(l.closed) == sever {
		return
	}
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return // the replica's connection is closed, too
	}
	p.mu.Lock()
	l.server = server
	p.mu.Unlock()
	select {
	case <-l.closed:
		_ = server.Close()
		return
	default:
	}
	t := p.tap()
	var back sync.WaitGroup
	back.Go(func() { p.pump(l, server, client, false, t.toClient) })
	p.pump(l, client, server, true, t.toServer)
	back.Wait()
}

func (p *Proxy) enter(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut || p.closed {
		return false
	}
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) leave(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}

func (p *Proxy) pump(l *link, from io.Reader, to io.Writer, fromClient bool, look func([]byte, <-chan struct{}) verdict) {
	defer l.close()
	r := bufio.NewReaderSize(from, 64<<10)
	for first := true; ; first = false {
		frame, err := p.frame(r, fromClient, first)
		if err != nil || p.frames.wait(l.closed) == sever {
			return
		}
		if look(frame, l.closed) == sever {
			return
		}
		if _, err := to.Write(frame); err != nil {
			return
		}
	}
}
