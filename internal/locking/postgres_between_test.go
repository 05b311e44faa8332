package locking_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// A goBetween is a proxy between a locker and its server.
type goBetween struct {
	start func(packet []byte) bool // inspects the first packet of a connection; false closes it
	reply func(data []byte)        // may change what the server answers
}

// through starts the go-between and returns the URL of a database behind it.
func through(t testing.TB, database string, g goBetween) string {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	server := u.Host
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { g.pass(client, server) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	u.Host = listener.Addr().String()
	return u.String()
}

func (g goBetween) pass(client net.Conn, address string) {
	defer client.Close()
	buffer := make([]byte, 32<<10)
	n, err := client.Read(buffer)
	if err != nil || g.start != nil && !g.start(buffer[:n]) {
		return
	}
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer server.Close()
	if _, err := server.Write(buffer[:n]); err != nil {
		return
	}
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	})
	for {
		n, err := server.Read(buffer)
		if err != nil {
			break
		}
		if g.reply != nil {
			g.reply(buffer[:n])
		}
		if _, err := client.Write(buffer[:n]); err != nil {
			break
		}
	}
	_ = client.Close()
	both.Wait()
}

// A pooler gives its clients pids of its own, not those of the sessions.
func TestPostgres_refusesAPooler(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	postgresDatabase(t, url)
	backendKey := []byte{'K', 0, 0, 0, 12}
	p := openPostgres(t, through(t, url, goBetween{reply: func(data []byte) {
		if i := bytes.Index(data, backendKey); i >= 0 {
			data[i+len(backendKey)+3]++
		}
	}}), longTTL)
	_, err := p.Acquire(t.Context(), "a")
	if !errors.Is(err, locking.ErrUnavailable) || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("Acquire() = %v, want ErrUnavailable because of a pooler", err)
	}
}

// A server that does not learn that a wait is over goes on waiting, and could grant the lock
// to a session that nobody uses.
func TestPostgres_aWaitEndsThoughItsCancellationIsLost(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	const cancelRequest = 80877102
	lost := make(chan struct{}, 100)
	p := openPostgres(t, through(t, url, goBetween{start: func(packet []byte) bool {
		if len(packet) < 8 || binary.BigEndian.Uint32(packet[4:]) != cancelRequest {
			return true
		}
		lost <- struct{}{}
		return false
	}}), longTTL)
	lease := lockingtest.MustAcquire(t, connected(t, openPostgres(t, url, longTTL)), "a")
	lockingtest.MustBeHeld(t, connected(t, p), "a")
	if len(lost) == 0 {
		t.Error("no cancel request was sent")
	}
	over := time.Now()
	lockingtest.Eventually(t, "the waiter's session has ended", func() bool {
		return len(postgresSessions(t, db, "a")) == 1
	})
	// The server itself ends the wait after a quarter of the TTL.
	if took := time.Since(over); took > longTTL/8 {
		t.Errorf("the waiter's session ended only %v after its wait", took)
	}
	lockingtest.MustRelease(t, lease)
}
