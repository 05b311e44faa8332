package lockingtest

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"orderd/internal/locking"
)

// SilentAddress returns an address that takes connections and never answers.
func SilentAddress(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// testSilentServer has callers ask a server, or wait within the process behind one that asks
// it. None of them must take its silence for a key that others hold.
func testSilentServer(t *testing.T, o Options) {
	ttl := 2 * o.TTL
	l, key := o.OpenAt(t, SilentAddress(t), ttl), newKey(t)
	// Callers whose own time is up first, and those who see a request fail, are to be told the
	// same. Most modes give a request a sixth of the TTL.
	for _, wait := range []time.Duration{shortWait, ttl / 2} {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		answers := make(chan error, 4)
		for range cap(answers) {
			go func() {
				_, err := l.Acquire(ctx, key)
				answers <- err
			}()
		}
		for range cap(answers) {
			err := <-answers
			if !errors.Is(err, locking.ErrUnavailable) || errors.Is(err, locking.ErrBusy) {
				t.Errorf("Acquire() within %v = %v, want ErrUnavailable alone", wait, err)
			}
		}
		cancel()
	}
}

func testServerHangs(t *testing.T, o Options) {
	server := o.StartServer(t)
	l, key := o.OpenAt(t, server.Addr, o.TTL), newKey(t)
	careful := o.OpenAt(t, server.Addr, longTTL)
	mustRecover(t, careful, key)
	lease := MustAcquire(t, l, newKey(t))

	signal(t, server, syscall.SIGSTOP)
	mustBeUnavailable(t, careful, key)
	MustLose(t, lease, o.TTL)
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
	lease := MustAcquire(t, l, key)
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	mustBeUnavailable(t, l, newKey(t))
	MustLose(t, lease, o.TTL)
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
	lease := MustAcquire(t, l, key)
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
	next := MustAcquire(t, l, key)
	if o.Fenced && next.Token(key) <= token {
		t.Errorf("token %d came after %d", next.Token(key), token)
	}
	MustRelease(t, next)
}

func signal(t testing.TB, s Server, sig syscall.Signal) {
	t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}
