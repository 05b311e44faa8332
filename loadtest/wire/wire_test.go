package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back all it gets, and reports what reached it.
func echo(t *testing.T) (addr string, reached chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	reached = make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				buffer := make([]byte, 100)
				for {
					n, err := conn.Read(buffer)
					if err != nil {
						return
					}
					reached <- string(buffer[:n])
					_, _ = conn.Write(buffer[:n])
				}
			}()
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return l.Addr().String(), reached
}

func dial(t *testing.T, p *Proxy) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	return conn
}

func say(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func hear(conn net.Conn) (string, error) {
	buffer := make([]byte, 100)
	n, err := conn.Read(buffer)
	return string(buffer[:n]), err
}

func TestProxy_FreezeKeepsTheConnection(t *testing.T) {
	t.Parallel()
	addr, reached := echo(t)
	p, err := NewRaw(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	conn := dial(t, p.Proxy)
	say(t, conn, "before")
	if got, err := hear(conn); got != "before" {
		t.Fatalf("heard %q, %v", got, err)
	}
	<-reached
	p.Freeze()
	say(t, conn, "during")
	late := dial(t, p.Proxy)
	say(t, late, "another")
	select {
	case got := <-reached:
		t.Fatalf("%q came through", got)
	case <-time.After(50 * time.Millisecond):
	}
	p.Heal()
	if got, err := hear(conn); got != "during" {
		t.Errorf("heard %q, %v after the end of the freeze, want what was said", got, err)
	}
	if got, err := hear(late); got != "another" {
		t.Errorf("heard %q, %v on a connection made meanwhile", got, err)
	}
}

func TestProxy_CutRefuses(t *testing.T) {
	t.Parallel()
	addr, _ := echo(t)
	p, err := NewRaw(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	conn := dial(t, p.Proxy)
	say(t, conn, "a")
	_, _ = hear(conn)
	p.Cut()
	for _, c := range []net.Conn{conn, dial(t, p.Proxy)} {
		if got, err := hear(c); err == nil {
			t.Errorf("heard %q through a cut", got)
		}
	}
	p.Heal()
	again := dial(t, p.Proxy)
	say(t, again, "b")
	if got, err := hear(again); got != "b" {
		t.Errorf("heard %q, %v after the cut", got, err)
	}
}

func TestRaw_LosesOneReply(t *testing.T) {
	t.Parallel()
	addr, reached := echo(t)
	p, err := NewRaw(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	lost := p.LoseReply("secret")
	conn := dial(t, p.Proxy)
	say(t, conn, "other")
	if got, err := hear(conn); got != "other" {
		t.Fatalf("heard %q, %v", got, err)
	}
	say(t, conn, "the secret")
	if got, err := hear(conn); err == nil {
		t.Errorf("heard %q, want the connection's end", got)
	}
	<-lost
	if <-reached; <-reached != "the secret" {
		t.Error("the request did not reach the server")
	}
	again := dial(t, p.Proxy)
	say(t, again, "the secret")
	if got, err := hear(again); got != "the secret" {
		t.Errorf("heard %q, %v the second time", got, err)
	}
}

func TestRaw_HoldsOneReply(t *testing.T) {
	t.Parallel()
	addr, reached := echo(t)
	p, err := NewRaw(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	gate := p.HoldReply("secret")
	conn := dial(t, p.Proxy)
	say(t, conn, "the secret")
	<-gate.Arrived()
	if got := <-reached; got != "the secret" {
		t.Fatalf("the server was asked %q", got)
	}
	gate.Pass()
	if got, err := hear(conn); got != "the secret" {
		t.Errorf("heard %q, %v, want what was held", got, err)
	}
	say(t, conn, "the secret")
	if got, err := hear(conn); got != "the secret" {
		t.Errorf("heard %q, %v the second time", got, err)
	}
}

func TestMessage(t *testing.T) {
	t.Parallel()
	startup := []byte("\x00\x00\x00\x09hello")
	query := []byte("Q\x00\x00\x00\x0bcommit\x00")
	r := bufio.NewReader(bytes.NewReader(append(append([]byte{}, startup...), query...)))
	for i, want := range [][]byte{startup, query} {
		if got, err := message(r, true, i == 0); err != nil || !bytes.Equal(got, want) {
			t.Errorf("message %d = %q, %v; want %q", i, got, err, want)
		}
	}
	if _, err := message(r, true, false); !errors.Is(err, io.EOF) {
		t.Errorf("after the last: %v", err)
	}
	if _, err := message(bufio.NewReader(bytes.NewReader([]byte("GET / HTTP"))), false, true); err == nil {
		t.Error("another protocol passed for Postgres's")
	}
	if got := sqlState([]byte("SERROR\x00C40001\x00Mno\x00\x00")); got != "40001" {
		t.Errorf("sqlState = %q", got)
	}
}
