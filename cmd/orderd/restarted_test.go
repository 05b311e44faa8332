package main

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
)

// A server that was restarted leaves dead connections in the pool. They are noticed before they
// are used, also below TLS: otherwise each of them fails a request, and as many checks of
// /readyz as there are.
func TestRedis_NoRequestFailsOnAConnectionThatTheServerHasClosed(t *testing.T) {
	t.Parallel()
	s, ca := stacktest.Stack(t), newAuthority(t)
	server := mustSecureRedis(t, s, "restarted", ca)
	options, err := (&serverFlags{}).redisOptions(redisURL(server.Addr, "orderd-lock", lockPassword, ca.File))
	if err != nil {
		t.Fatal(err)
	}
	options.MaxRetries = -1
	client := redis.NewUniversalClient(options).(*redis.Client)
	t.Cleanup(func() { client.Close() })
	const pooled = 6
	var conns [pooled]*redis.Conn
	for i := range conns {
		conns[i] = client.Conn()
		if err := conns[i].Ping(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for _, conn := range conns {
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if n := client.PoolStats().IdleConns; n != pooled {
		t.Fatalf("%d connections are idle, want %d", n, pooled)
	}
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range pooled {
		if err := client.Ping(t.Context()).Err(); err != nil {
			t.Errorf("request %d after the restart: %v", i+1, err)
		}
	}
}

// A Redis that starts replays its append-only file as the user default, and drops what that one
// may not do: with the users of deploy/redis-users.acl it must lose no locks and no events.
func TestRedis_AppendOnlyFileIsReplayedWithTheUsersOfTheDeployment(t *testing.T) {
	t.Parallel()
	f := newFortress(t, "replayed", "--appendonly", "yes", "--appendfsync", "always")
	r := f.start(t, "replayed-1", "redis", "--work", "9s", "--lock-ttl", "60s")
	events := func() int {
		text, err := f.stock.Do(t.Context(), "XLEN", "orderd:events")
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	r.mustSet(t, "A-1", 10, "predicate")
	changes := 0
	await(t, "the first event", func() bool { // the relay tells of what happens after it has begun
		changes++
		r.mustSet(t, fmt.Sprint("C-", changes), 10, "predicate")
		return events() > 0
	})
	var setting sync.WaitGroup
	for i := range 8 { // at once, so that several come in one transaction
		setting.Go(func() { r.mustSet(t, fmt.Sprint("B-", i), 10, "predicate") })
	}
	setting.Wait()
	r.mustSet(t, "LAST", 10, "predicate")
	await(t, "all events", func() bool { // they are published in the order of the ledger
		newest, err := f.stock.Do(t.Context(), "XREVRANGE", "orderd:events", "+", "-", "COUNT", "1")
		return err == nil && strings.Contains(newest, "LAST")
	})
	published := events()
	answer := make(chan int, 1)
	go func() {
		status, _ := r.send(t, http.MethodPost, "/v1/orders", `{"lines":[{"sku":"A-1","quantity":1}]}`)
		answer <- status
	}()
	held := func() any {
		_, lock := r.send(t, http.MethodGet, "/v1/locks/A-1", "")
		return lock["token"]
	}
	await(t, "the lock", func() bool { return held() != nil })
	token := held()
	restart := func(server *stack.SecureRedis) {
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	restart(f.locks)
	if again := held(); again != token {
		t.Errorf("after the restart the lock has token %v, want %v", again, token)
	}
	restart(f.stock)
	if n := events(); n != published {
		t.Errorf("after the restart there are %d events, want %d", n, published)
	}
	if status := <-answer; status != http.StatusCreated {
		t.Errorf("the order is answered %d, want 201", status)
	}
}
