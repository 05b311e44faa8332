package lockingtest

import (
	"errors"
	"syscall"
	"testing"

	"orderd/internal/locking"
)

func testServerHangs(t *testing.T, o Options) {
	server := o.StartServer(t)
	l, key := o.OpenAt(t, server.Addr, o.TTL), newKey(t)
	careful := o.OpenAt(t, server.Addr, longTTL)
	mustRecover(t, careful, key)
	lease := mustAcquire(t, l, newKey(t))

	signal(t, server, syscall.SIGSTOP)
	mustBeUnavailable(t, careful, key)
	mustLose(t, lease, o.TTL)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	mustBeUnavailable(t, l, key)
	signal(t, server, syscall.SIGCONT)

	// The server now executes requests whose senders have long given up.
	mustBeFreed(t, o.OpenAt(t, server.Addr, longTTL), key)
	mustRecover(t, l, key)
}

func testServerDies(t *testing.T, o Options) {
	server := o.StartServer(t)
	p := newProxy(t, server.Addr)
	l, key := o.OpenAt(t, p.addr(), o.TTL), newKey(t)
	lease := mustAcquire(t, l, key)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	mustBeUnavailable(t, l, newKey(t))
	mustLose(t, lease, o.TTL)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	p.redirect(o.StartServer(t).Addr)
	mustRecover(t, l, key)
}

// testServerComesBack kills a server and starts it again in its place. Whatever it has
// forgotten, tokens must not go back.
func testServerComesBack(t *testing.T, o Options) {
	server := o.StartServer(t)
	l, key := o.OpenAt(t, server.Addr, o.TTL), newKey(t)
	lease := mustAcquire(t, l, key)
	token := lease.Token(key)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Process.Restart(newContext(t)); err != nil {
		t.Fatal(err)
	}
	// The server may still know the lease, and keep it, or have forgotten it.
	_ = lease.Release(t.Context())
	mustRecover(t, l, key)
	next := mustAcquire(t, l, key)
	if o.Fenced && next.Token(key) <= token {
		t.Errorf("token %d came after %d", next.Token(key), token)
	}
	mustRelease(t, next)
}

func signal(t testing.TB, s Server, sig syscall.Signal) {
	t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
