package lockingtest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy stands between a locker and its server, to cut them off from each other.
type proxy struct {
	listener net.Listener
	done     chan struct{}
	running  sync.WaitGroup

	frozen atomic.Bool // passes nothing on, closes nothing
	deaf   atomic.Bool // passes nothing on to the locker
	mute   atomic.Bool // passes nothing on to the server

	passed atomic.Int64 // how often something was passed on to the server

	mu      sync.Mutex
	server  string
	conns   []net.Conn
	clients []*upstream
}

// An upstream is a connection's direction from the locker to the server.
type upstream struct {
	client net.Conn
	held   atomic.Bool
	resume chan struct{} // closed when what was held may go on
}

func newProxy(t testing.TB, server string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, done: make(chan struct{}), server: server}
	p.running.Go(p.accept)
	t.Cleanup(func() {
		close(p.done)
		_ = listener.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

// redirect has connections made from now on go to another server.
func (p *proxy) redirect(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server = server
}

// cut closes every connection.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	p.conns, p.clients = nil, nil
}

// delay holds back what comes over the present connections, and returns two functions: lose
// closes them for the locker, deliver lets the server have what was held back.
func (p *proxy) delay() (lose, deliver func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delayed := p.clients
	for _, u := range delayed {
		u.held.Store(true)
	}
	lose = func() {
		for _, u := range delayed {
			_ = u.client.Close()
		}
	}
	deliver = func() {
		for _, u := range delayed {
			close(u.resume)
		}
	}
	return lose, deliver
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		server, err := net.Dial("tcp", p.server)
		if err != nil {
			_ = client.Close()
		} else {
			p.conns = append(p.conns, client, server)
			u := &upstream{client: client, resume: make(chan struct{})}
			p.clients = append(p.clients, u)
			p.running.Go(func() { p.pass(server, client, &p.mute, u) })
			p.running.Go(func() { p.pass(client, server, &p.deaf, nil) })
		}
		p.mu.Unlock()
	}
}

func (p *proxy) pass(to, from net.Conn, drop *atomic.Bool, u *upstream) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.frozen.Load() {
			<-p.done
			return
		}
		if drop.Load() {
			continue
		}
		if u != nil {
			if u.held.Load() {
				select {
				case <-u.resume:
				case <-p.done:
					return
				}
			}
			p.passed.Add(1)
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
