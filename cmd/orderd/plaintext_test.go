package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestRun_RefusesServersInTheClear(t *testing.T) {
	t.Parallel()
	const database, stock = "postgres://127.0.0.1/x", "redis://127.0.0.1"
	serve := func(database, stock string, more ...string) []string {
		return append([]string{"serve", "--database-url", database, "--redis-url", stock, "--listen", "127.0.0.1:-1"}, more...)
	}
	for _, args := range [][]string{
		serve("postgres://db.example/x", stock),
		serve("postgres://db.example/x?sslmode=disable", stock),
		serve("postgres://db.example/x?sslmode=prefer", stock),
		serve("postgres://db.example/x?sslmode=allow", stock),
		serve("postgres://db.example/x?sslmode=require", stock),
		serve("postgres://127.0.0.1,db.example/x?sslmode=disable", stock),
		{"migrate", "--database-url", "postgres://192.0.2.1/x?sslmode=disable"},
		serve(database, "redis://redis.example"),
		serve(database, "redis+cluster://127.0.0.1?addr=redis.example:6379"),
		serve(database, "rediss://redis.example?skip_verify=true"),
		serve(database, "rediss+sentinel://127.0.0.1?master_name=m&skip_verify=true"),
		serve(database, stock, "--lock-mode", "redlock", "--lock-redis-url", "redis://127.0.0.1,redis://192.0.2.1"),
		serve(database, stock, "--lock-mode", "zookeeper", "--zookeeper", "127.0.0.1:2181,zoo.example:2181"),
		serve(database, stock, "--lock-mode", "zookeeper", "--zookeeper", "zoo.example"),
		serve(database, stock, "--lock-redis-url", "redis://192.0.2.1"),
		serve(database, stock, "--lock-redis-url", "rediss://192.0.2.1?skip_verify=true"),
		serve(database, stock, "--events-stream", "e", "--events-redis-url", "rediss://192.0.2.1?skip_verify=true"),
		{"reconcile", "--check", "--database-url", "postgres://192.0.2.1/x?sslmode=disable"},
		{"reconcile", "--check", "--database-url", database, "--redis-url", "rediss://192.0.2.1?skip_verify=true"},
	} {
		if _, err := runHere(t, args...); err == nil || !strings.Contains(err.Error(), "without TLS") || exitCode(err) != 2 {
			t.Errorf("%q = %v, want a usage error", args, err)
		}
	}
	// These pass the check, and fail at the invalid port.
	for _, args := range [][]string{
		serve("postgres://db.example/x?sslmode=verify-full", "rediss://redis.example"),
		serve("postgres:///x?host=/run/postgresql", "redis://localhost"),
		serve("postgres://db.example/x", "redis://redis.example", "--insecure"),
	} {
		if _, err := runHere(t, args...); err == nil || strings.Contains(err.Error(), "without TLS") || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("%q = %v, want it past the check", args, err)
		}
	}
}

// A master that is named only later, by a Sentinel here, is not reached without TLS either.
func TestRedisOptions_ReachNobodyElseInTheClear(t *testing.T) {
	t.Parallel()
	for insecure, refused := range map[bool]bool{false: true, true: false} {
		d := serverFlags{Insecure: insecure}
		o, err := d.redisOptions("redis+sentinel://" + sentinelThatNames(t, "192.0.2.1") + "?master_name=m")
		if err != nil {
			t.Fatal(err)
		}
		o.MaxRetries, o.DialerRetries, o.DialTimeout = -1, 1, time.Second
		client := redis.NewUniversalClient(o)
		err = client.Ping(t.Context()).Err()
		if told := err != nil && strings.Contains(err.Error(), "192.0.2.1:6379 would be reached without TLS"); err == nil || told != refused {
			t.Errorf("insecure %v: %v, want it refused: %v", insecure, err, refused)
		}
		client.Close()
	}
}

// sentinelThatNames starts a fake Sentinel that names the host as every master's.
func sentinelThatNames(t *testing.T, host string) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	answer := func(conn net.Conn) {
		defer conn.Close()
		words := bufio.NewScanner(conn)
		for words.Scan() {
			switch strings.ToLower(words.Text()) {
			case "hello", "client", "subscribe":
				fmt.Fprint(conn, "-ERR unknown command\r\n")
			case "get-master-addr-by-name":
				fmt.Fprintf(conn, "*2\r\n$%d\r\n%s\r\n$4\r\n6379\r\n", len(host), host)
			case "sentinels", "replicas", "slaves":
				fmt.Fprint(conn, "*0\r\n")
			}
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answer(conn)
		}
	}()
	return l.Addr().String()
}
