package locking

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestZKConn_waitsForNoServerLongerThanItsPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		conn := &zkConn{Conn: near, patience: time.Second}
		for _, deadline := range []time.Time{{}, time.Now().Add(time.Hour)} {
			began := time.Now()
			if err := conn.SetReadDeadline(deadline); err != nil {
				t.Fatal(err)
			}
			_, err := conn.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != time.Second {
				t.Errorf("Read() = %v after %v, want a time-out after 1s", err, time.Since(began))
			}
		}
	})
}

// A server that grants a longer time-out than was asked for is pinged as rarely as that
// allows, once it has answered the handshake.
func TestZKConn_waitsForAServerThatHasSaidHello(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		conn := &zkConn{Conn: near, patience: time.Second, granted: func() time.Duration { return 4 * time.Second }}
		go func() { _, _ = far.Write([]byte("h")) }()
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := conn.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != 4*time.Second {
			t.Errorf("Read() = %v after %v, want a time-out after 4s", err, time.Since(began))
		}
	})
}

func TestZKHosts_restOnlyWhenAllHaveFailed(t *testing.T) {
	t.Parallel()
	hosts := &zkHosts{}
	if err := hosts.Init([]string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	var got []string
	ask := func() {
		server, rest := hosts.Next()
		if rest {
			server = "rest, " + server
		}
		got = append(got, server)
	}
	ask()
	ask()
	ask() // both have failed
	hosts.Connected()
	ask() // the connection was dropped
	ask()
	ask()
	want := []string{"a", "b", "rest, a", "b", "a", "rest, b"}
	if !slices.Equal(got, want) {
		t.Errorf("servers in turn: %q, want %q", got, want)
	}
}

// The client reports a failed write twice, and may hang for good if nobody receives the
// second report.
func TestZKConn_aWriteThatFailsEndsTheConnection(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer near.Close()
	if err := far.Close(); err != nil { // nobody reads
		t.Fatal(err)
	}
	conn := &zkConn{Conn: near}
	request := []byte("request")
	if n, err := conn.Write(request); n != len(request) || err != nil {
		t.Errorf("Write() = %d, %v; want it taken for written", n, err)
	}
	if _, err := near.Write(request); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection still writes: %v", err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Read() = %v, want the connection's end", err)
	}
}
