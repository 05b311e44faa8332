package lockingtest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A proxy stands between a locker and its server, to part them.
type proxy struct {
	listener net.Listener
	done     chan struct{}
	running  sync.WaitGroup

	frozen atomic.Bool // passes nothing on, closes nothing
	deaf   atomic.Bool // passes nothing on to the locker
	mute   atomic.Bool // passes nothing on to the server

	mu     sync.Mutex
	server string
	conns  []net.Conn
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
	p.conns = nil
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
			p.running.Go(func() { p.pass(server, client, &p.mute) })
			p.running.Go(func() { p.pass(client, server, &p.deaf) })
		}
		p.mu.Unlock()
	}
}

func (p *proxy) pass(to, from net.Conn, drop *atomic.Bool) {
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
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}
