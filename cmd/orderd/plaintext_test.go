package main

import (
	"net"
	"strings"
	"testing"

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
		serve("postgres://127.0.0.1,db.example/x?sslmode=disable", stock),
		{"migrate", "--database-url", "postgres://192.0.2.1/x?sslmode=disable"},
		serve(database, "redis://redis.example"),
		serve(database, "redis+cluster://127.0.0.1?addr=redis.example:6379"),
		serve(database, "rediss://redis.example?skip_verify=true"),
		serve(database, "rediss+sentinel://127.0.0.1?master_name=m&skip_verify=true"),
		serve(database, stock, "--lock-mode", "redlock", "--lock-redis-url", "redis://127.0.0.1,redis://192.0.2.1"),
		serve(database, stock, "--lock-mode", "zookeeper", "--zookeeper", "127.0.0.1:2181,zoo.example:2181"),
		serve(database, stock, "--lock-mode", "zookeeper", "--zookeeper", "zoo.example"),
	} {
		if _, err := runHere(t, args...); err == nil || !strings.Contains(err.Error(), "without TLS") || exitCode(err) != 2 {
			t.Errorf("%q = %v, want a usage error", args, err)
		}
	}
	// These get as far as the port that cannot be.
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

// Servers that are named only later, by a Sentinel or a Cluster, are not reached in
// the clear either.
func TestRedisOptions_ReachNobodyElseInTheClear(t *testing.T) {
	t.Parallel()
	const url = "redis+cluster://127.0.0.1?addr=127.0.0.1:6380"
	for insecure, want := range map[bool]bool{false: true, true: false} {
		d := databaseFlags{Insecure: insecure}
		o, err := d.redisOptions(url)
		if err != nil || (o.Dialer != nil) != want {
			t.Fatalf("insecure %v: %+v, %v", insecure, o, err)
		}
	}
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	for address, refused := range map[string]bool{server.Addr().String(): false, "192.0.2.1:6379": true, "redis.example:6379": true} {
		client := redis.NewClient(&redis.Options{Addr: address, Dialer: dialLoopback, MaxRetries: -1, DialerRetries: 1})
		conn, err := client.Options().Dialer(t.Context(), "tcp", address)
		if told := err != nil && strings.Contains(err.Error(), "without TLS"); told != refused {
			t.Errorf("%s = %v, want it refused: %v", address, err, refused)
		}
		if conn != nil {
			conn.Close()
		}
		client.Close()
	}
}
