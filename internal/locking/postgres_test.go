package locking_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

// longTTL is the TTL of locks that must end in another way than by expiry.
const longTTL = time.Minute

func TestNewPostgres_refusesBadSettings(t *testing.T) {
	t.Parallel()
	good := locking.PostgresConfig{URL: "postgres://nobody@127.0.0.1:1/none", TTL: time.Second, Owner: "a"}
	for name, spoil := range map[string]func(*locking.PostgresConfig){
		"another URL":            func(c *locking.PostgresConfig) { c.URL = "http://127.0.0.1" },
		"no TTL":                 func(c *locking.PostgresConfig) { c.TTL = 0 },
		"too short TTL":          func(c *locking.PostgresConfig) { c.TTL = time.Millisecond },
		"no owner":               func(c *locking.PostgresConfig) { c.Owner = "" },
		"fewer than no sessions": func(c *locking.PostgresConfig) { c.MaxConns = -1 },
	} {
		cfg := good
		spoil(&cfg)
		if _, err := locking.NewPostgres(cfg); err == nil {
			t.Errorf("%s: NewPostgres() = nil", name)
		}
	}
	p, err := locking.NewPostgres(good)
	if err != nil {
		t.Fatalf("NewPostgres() = %v, though the server may come up later", err)
	}
	if err := p.Ping(t.Context()); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Ping() = %v, want ErrUnavailable", err)
	}
	if _, err := p.Acquire(t.Context(), "a"); !errors.Is(err, locking.ErrUnavailable) {
		t.Errorf("Acquire() = %v, want ErrUnavailable", err)
	}
	if err := p.Close(); err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// acquire acquires keys. It asks again while the backend is unavailable: servers that have
// just been started, on a busy machine, may be too slow at first.
func acquire(t testing.TB, l locking.Locker, keys ...string) *locking.Lease {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		lease, err := l.Acquire(ctx, keys...)
		if err == nil {
			return lease
		}
		if !errors.Is(err, locking.ErrUnavailable) || ctx.Err() != nil {
			t.Fatalf("Acquire(%q) = %v", keys, err)
		}
	}
}

func release(t testing.TB, lease *locking.Lease) {
	t.Helper()
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

// busy fails unless a key is held by others.
func busy(t testing.TB, l locking.Locker, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := l.Acquire(ctx, key); !errors.Is(err, locking.ErrBusy) {
		t.Errorf("Acquire(%q) = %v, want ErrBusy", key, err)
	}
}

func lostSoon(t testing.TB, lease *locking.Lease) {
	t.Helper()
	select {
	case <-lease.Lost():
	case <-time.After(10 * time.Second): // a renewal would take twice as long
		t.Fatal("the lease is not lost")
	}
}

// until polls until holds returns true; what describes that.
func until(t testing.TB, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for over := time.Now().Add(limit); !holds(); <-tick.C {
		if time.Now().After(over) {
			t.Fatalf("not so after %v: %s", limit, what)
		}
	}
}

// sameLength is a hash by which keys of the same length collide.
const sameLength = "length(%s)::bigint"

func openColliding(t testing.TB, url string) *locking.Postgres {
	t.Helper()
	p, err := locking.NewPostgresHashing(
		locking.PostgresConfig{URL: url, TTL: longTTL, Owner: "test"}, sameLength)
	return connected(t, closing(t, p, err))
}

func TestPostgres_keysThatCollideShareATurn(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	one, other := openColliding(t, url), openColliding(t, url)
	lease := acquire(t, one, "aa", "bb", "cc", "d")
	busy(t, other, "ee")
	release(t, lease)
	lease = acquire(t, other, "ee")
	busy(t, one, "bb")
	release(t, lease)
	var locks int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&locks); err != nil || locks > 0 {
		t.Errorf("%d locks are left, %v", locks, err)
	}
}

// Only keys that collide can make carts deadlock: the server notices.
func TestPostgres_aCircleOfWaitersIsBroken(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p := openColliding(t, url)
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	// The cart's session is to notice, and not this one. It checks once in each of its waits,
	// a second after the start.
	if _, err := conn.Exec(t.Context(), "SET deadlock_timeout = '10min'"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), longTTL)
	defer cancel()
	lock := func(id int) {
		if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", id); err != nil {
			t.Errorf("pg_advisory_lock(%d) = %v", id, err)
		}
	}
	lock(2)
	answer := make(chan error, 1)
	go func() {
		_, err := p.Acquire(ctx, "a", "bb")
		answer <- err
	}()
	until(t, 10*time.Second, "the cart waits", func() bool {
		var waiting bool
		err := db.QueryRow(t.Context(), "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&waiting)
		return err == nil && waiting
	})
	lock(1)
	if err := <-answer; !errors.Is(err, locking.ErrBusy) || ctx.Err() != nil {
		t.Errorf("Acquire() = %v, want ErrBusy before its context ends", err)
	}
}

func TestPostgres_theEndOfASessionIsNoticedAtOnce(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	lease := acquire(t, openPostgres(t, url, longTTL), "a")
	endSession(t, db, "a")
	lostSoon(t, lease)
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
}

// lockSessions lists the pids of the lockers' sessions, in order.
func lockSessions(t testing.TB, db *pgxpool.Pool) []int32 {
	t.Helper()
	rows, err := db.Query(t.Context(), `SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'orderd lock %' ORDER BY pid`)
	if err != nil {
		t.Fatal(err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

func TestPostgres_sessionsOfEndedWaitsAreUsedAgain(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	lease := acquire(t, openPostgres(t, url, longTTL), "a")
	p := connected(t, openPostgres(t, url, longTTL))
	before := lockSessions(t, db)
	for range 5 {
		busy(t, p, "a")
	}
	if after := lockSessions(t, db); !slices.Equal(before, after) {
		t.Errorf("sessions before and after waits that ended: %v, %v", before, after)
	}
	release(t, lease)
}

// A server that was restarted leaves dead sessions in the pool. The first caller gets
// another one, and not an error.
func TestPostgres_deadSpareSessionsAreReplaced(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p := connected(t, openPostgres(t, url, longTTL))
	release(t, acquire(t, p, "a"))
	spares := lockSessions(t, db)
	for _, pid := range spares {
		var ended bool
		if err := db.QueryRow(t.Context(), "SELECT pg_terminate_backend($1, 5000)", pid).Scan(&ended); err != nil || !ended {
			t.Fatalf("pg_terminate_backend() = %v, %v", ended, err)
		}
	}
	lease, err := p.Acquire(t.Context(), "a")
	if len(spares) == 0 || err != nil || lease.Token("a") == 0 || len(postgresSessions(t, db, "a")) != 1 {
		t.Fatalf("with %d spare sessions ended, Acquire() = %v; want the lock, by another session", len(spares), err)
	}
	release(t, lease)
}

func TestPostgres_callersQueueForConnections(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	p, err := locking.NewPostgres(locking.PostgresConfig{URL: url, TTL: longTTL, Owner: "test", MaxConns: 2})
	closing(t, p, err)
	first, second := acquire(t, p, "a"), acquire(t, p, "b")
	busy(t, p, "c")
	if n := len(lockSessions(t, db)); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
	got := make(chan *locking.Lease, 1)
	go func() { got <- acquire(t, p, "c") }()
	release(t, first)
	release(t, <-got)
	release(t, second)
}

func TestPostgres_operatorsSeeAndEvict(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	postgresDatabase(t, url)
	one, other := connected(t, openPostgres(t, url, longTTL)), connected(t, openPostgres(t, url, longTTL))
	if s, err := one.Inspect(t.Context(), "a"); err != nil || s != (locking.Status{}) {
		t.Errorf("Inspect() of a free key = %+v, %v", s, err)
	}
	began := time.Now()
	lease := acquire(t, one, "a")
	got := make(chan *locking.Lease, 1)
	go func() { got <- acquire(t, other, "a", "b") }()

	var s locking.Status
	until(t, 10*time.Second, "there is a waiter", func() (waiting bool) {
		var err error
		if s, err = other.Inspect(t.Context(), "a"); err != nil {
			t.Errorf("Inspect() = %v", err)
		}
		return s.Waiters == 1
	})
	if !strings.HasPrefix(s.Owner, "test:") || s.Token != lease.Token("a") {
		t.Errorf("Owner %q, Token %d; want test:…, %d", s.Owner, s.Token, lease.Token("a"))
	}
	if s.Since.Before(began.Add(-time.Second)) || s.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("Since %v, want about %v", s.Since, began)
	}
	if left := time.Until(s.Until); left < longTTL/2 || left > longTTL {
		t.Errorf("Until is in %v, want about %v", left, longTTL)
	}

	if evicted, err := other.Evict(t.Context(), "a", s.Owner+"0"); evicted || err != nil {
		t.Errorf("Evict() of another owner = %v, %v", evicted, err)
	}
	limit, err := other.NextToken(t.Context(), "a")
	if err != nil || limit <= lease.Token("a") {
		t.Errorf("NextToken() = %d, %v, want more than %d", limit, err, lease.Token("a"))
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); !evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	lostSoon(t, lease)
	next := <-got
	if next.Token("a") <= limit || next.Token("b") <= limit {
		t.Errorf("tokens %d and %d after %d", next.Token("a"), next.Token("b"), limit)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() of a later holder = %v, %v", evicted, err)
	}
	release(t, next)
}

// A cart that still waits for a key has no token yet, and will have a larger
// one than an operator can name.
func TestPostgres_aCartThatWaitsIsNotEvicted(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	one, other := connected(t, openPostgres(t, url, longTTL)), connected(t, openPostgres(t, url, longTTL))
	lease := acquire(t, other, "b")
	release(t, acquire(t, one, "c")) // the cart's session has had a token
	got := make(chan *locking.Lease, 1)
	go func() { got <- acquire(t, one, "a", "b") }()
	until(t, 10*time.Second, "the cart has its first key", func() bool {
		return len(postgresSessions(t, db, "a")) > 0
	})
	s, err := other.Inspect(t.Context(), "a")
	if err != nil || s.Owner == "" {
		t.Fatalf("Inspect() = %+v, %v; want a holder", s, err)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	release(t, lease)
	release(t, <-got)
}

func TestPostgres_withoutTheSequenceNothingIsGranted(t *testing.T) {
	t.Parallel()
	p := openPostgres(t, stacktest.Postgres(t), longTTL)
	for range 2 {
		_, err := p.Acquire(t.Context(), "a")
		if !errors.Is(err, locking.ErrUnavailable) || !strings.Contains(err.Error(), "orderd_lock_token") {
			t.Errorf("Acquire() = %v, want ErrUnavailable and the sequence's name", err)
		}
	}
}

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
	lease := acquire(t, connected(t, openPostgres(t, url, longTTL)), "a")
	busy(t, connected(t, p), "a")
	if len(lost) == 0 {
		t.Error("no cancel request was sent")
	}
	until(t, longTTL/8, "the waiter's session has ended", func() bool {
		return len(postgresSessions(t, db, "a")) == 1
	})
	release(t, lease)
}

// Callers that wait, within the process, behind one that asks the server must not take its
// silence for a lock that is held.
func TestPostgres_waitersBehindOneWhoGetsNoAnswer(t *testing.T) {
	t.Parallel()
	l := openPostgres(t, postgresURL(deafAddress(t)), 3*time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	answers := make(chan error, 4)
	for range cap(answers) {
		go func() {
			_, err := l.Acquire(ctx, "a")
			answers <- err
		}()
	}
	for range cap(answers) {
		if err := <-answers; !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("Acquire() = %v, want ErrUnavailable", err)
		}
	}
}
