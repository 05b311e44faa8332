package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stack/stacktest"
)

func TestSecure_RedisUsersMayDoNothingElse(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	server := mustSecureRedis(t, stacktest.Stack(t), "users", ca)
	for user, password := range map[string]string{"orderd-stock": stockPassword, "orderd-lock": lockPassword, "orderd-events": eventPassword} {
		o, err := parseRedisURL(redisURL(server.Addr, user, password, ca.File))
		if err != nil {
			t.Fatal(err)
		}
		o.DisableIdentity, o.Protocol = true, 2
		client := redis.NewUniversalClient(o)
		defer client.Close()
		if err := client.Ping(t.Context()).Err(); err != nil {
			t.Fatalf("%s: %v", user, err)
		}
		other := "orderd:lock:{1}:A"
		if user != "orderd-stock" {
			other = "orderd:stock:A"
		}
		for _, command := range []string{
			"CONFIG GET *", "CONFIG SET maxmemory 1", "FLUSHALL", "FLUSHDB", "KEYS *", "SCAN 0", "RANDOMKEY",
			"SCRIPT FLUSH", "SHUTDOWN", "REPLICAOF NO ONE", "ACL LIST", "ACL WHOAMI", "CLIENT LIST", "CLIENT KILL TYPE normal", "MONITOR",
			"SAVE", "INFO", "DUMP orderd:stock:A", "MIGRATE h 1 k 0 1", "FUNCTION LIST", "MODULE LIST", "SLOWLOG GET", "SWAPDB 0 1",
			"GET somebody-elses", "HGET somebody-elses f", "DEL " + other, "HSET " + other + " f v", "SET " + other + " v", "PUBLISH elsewhere x", "SUBSCRIBE elsewhere",
			"PSUBSCRIBE *", "RENAME orderd:stock:A b", "GETSET " + other + " v",
		} {
			args := make([]any, 0, 6)
			for _, word := range strings.Fields(command) {
				args = append(args, word)
			}
			if err := client.Do(t.Context(), args...).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
				t.Errorf("%s: %s = %v, want NOPERM", user, command, err)
			}
		}
		// A script has its user's rights, too.
		err = client.Eval(t.Context(), "return redis.call('SET', 'somebody-elses', 'v')", nil).Err()
		if err == nil || !strings.Contains(err.Error(), "can't access") && !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("%s: a script that writes another key = %v, want it refused", user, err)
		}
	}
}

// The same rights are enough in a Redis Cluster.
func TestSecure_RightsInARedisCluster(t *testing.T) {
	t.Parallel()
	cluster, err := stacktest.Stack(t).RedisCluster(t.Context(), "rights-cluster")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range cluster.Nodes {
		for line := range strings.Lines(redisUsers(t)) {
			args := []any{"ACL", "SETUSER"}
			for _, word := range strings.Fields(line)[1:] {
				args = append(args, word)
			}
			if args[2] == "default" {
				continue // the nodes connect to each other as this user
			}
			if _, err := node.Do(t.Context(), args...); err != nil {
				t.Fatal(err)
			}
		}
	}
	d := newDeployment(t)
	address := func(user, password string) string {
		return "redis+cluster://" + user + ":" + password + "@" + cluster.Addrs[0] + "?addr=" + strings.Join(cluster.Addrs[1:], "&addr=")
	}
	d.stock, d.locks = address("orderd-stock", stockPassword), address("orderd-lock", lockPassword)
	d.start(t, "r1", "redis").useEverything(t, "S-cluster", "redis")
	for _, node := range cluster.Nodes {
		if refused, err := node.Do(t.Context(), "ACL", "LOG"); err != nil || refused != "[]" {
			t.Errorf("%s has refused something: %s, %v", node.Addr, refused, err)
		}
	}
}

// What deploy/postgres-roles.sql takes from everybody, and sets for the service's user.
func TestSecure_PostgresUserMakesNothing(t *testing.T) {
	t.Parallel()
	f := newFortress(t, "nothing")
	conn, err := pgx.Connect(t.Context(), f.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{
		"CREATE TABLE t (n int)", "CREATE TEMPORARY TABLE t (n int)", "CREATE SCHEMA s", "DELETE FROM orders",
		"SELECT lo_create(0)", "SELECT lo_creat(1)", "SELECT lo_from_bytea(0, 'x')",
	} {
		_, err := conn.Exec(t.Context(), sql)
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "42501" {
			t.Errorf("%s = %v, want permission denied", sql, err)
		}
	}
	for setting, want := range map[string]string{"search_path": "public", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %s", setting, got, err, want)
		}
	}
}

// Without a password deploy/postgres-roles.sql changes nothing: an empty one would lock out a shop that
// runs.
func TestSecure_PostgresRolesNeedPasswords(t *testing.T) {
	t.Parallel()
	f := newFortress(t, "passwords")
	for _, passwords := range [][2]string{{"", appPassword}, {ownerPassword, ""}} {
		err := runRoles(t, f.admin, passwords[0], passwords[1])
		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "22012" {
			t.Errorf("with the passwords %q: %v, want division by zero", passwords, err)
		}
	}
	conn, err := pgx.Connect(t.Context(), f.database)
	if err != nil {
		t.Fatalf("the service cannot log in any more: %v", err)
	}
	conn.Close(t.Context())
}
