// Package stacktest gives the tests of other packages real servers. They start at first use,
// once for each test binary, and end with it.
//
// A package that uses it calls Main in its TestMain:
//
//	func TestMain(m *testing.M) { stacktest.Main(m) }
package stacktest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"orderd/internal/stack"
	"orderd/migrations"
)

// cleanUpLimit bounds the clean-up at the end of a test.
const cleanUpLimit = 30 * time.Second

// opened is set once the shared stack has been asked for, so that Main does not
// open one only to close it.
var opened atomic.Bool

var shared = sync.OnceValues(func() (*stack.Stack, error) {
	opened.Store(true)
	return stack.Open()
})

// Durability is of no use to a test, and costs it time at every commit.
var (
	postgres = onShared(func(ctx context.Context, s *stack.Stack) (*stack.Postgres, error) {
		return s.Postgres(ctx, "shared-postgres", "fsync=off")
	})
	redisServer = onShared(func(ctx context.Context, s *stack.Stack) (*stack.Redis, error) {
		return s.Redis(ctx, "shared-redis")
	})
	sentinel = onShared(func(ctx context.Context, s *stack.Stack) (*stack.Sentinel, error) {
		return s.Sentinel(ctx, "shared-sentinel")
	})
	redisCluster = onShared(func(ctx context.Context, s *stack.Stack) (*stack.RedisCluster, error) {
		return s.RedisCluster(ctx, "shared-cluster")
	})
	zooKeeper = onShared(func(ctx context.Context, s *stack.Stack) (*stack.ZooKeeper, error) {
		return s.ZooKeeper(ctx, "shared-zookeeper")
	})
)

// onShared returns a function that starts a server on the shared stack when it is first called.
func onShared[T any](start func(context.Context, *stack.Stack) (T, error)) func() (T, error) {
	return sync.OnceValues(func() (server T, err error) {
		s, err := shared()
		if err != nil {
			return server, err
		}
		return start(context.Background(), s)
	})
}

// quiet discards what the Redis client writes to stderr about servers that tests have stopped.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// Main runs the tests, closes the shared stack, and ends the process: with an
// error if a test failed, a server could not be ended, or a goroutine leaked.
func Main(m *testing.M) {
	stack.Alone()
	redis.SetLogger(quiet{})
	code := m.Run()
	err := closeShared()
	if code == 0 && err == nil {
		err = goleak.Find()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func closeShared() error {
	if !opened.Load() {
		return nil
	}
	s, err := shared()
	if err != nil {
		return err
	}
	return s.Close()
}

// Stack returns the stack that the package's tests share, for tests that start
// servers of their own, to stop, freeze or kill them. Names of servers have to
// be unique in it. It is closed by Main.
func Stack(t testing.TB) *stack.Stack {
	t.Helper()
	return must(t, shared)
}

var databases atomic.Int64

// Postgres returns the URL of a new, empty database, on a server that the
// package's tests share. It is dropped at the end of the test.
func Postgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, "")
}

// template is a database on the shared server that has the schema, and nobody's connections.
const template = "migrated"

var migrated = sync.OnceValues(func() (string, error) {
	server, err := postgres()
	if err != nil {
		return "", err
	}
	url, err := server.NewDatabase(context.Background(), template, "")
	if err != nil {
		return "", err
	}
	_, err = migrations.Up(context.Background(), url)
	return template, err
})

// MigratedPostgres returns the URL of a new database as Postgres does, with the schema in it.
func MigratedPostgres(t testing.TB) string {
	t.Helper()
	return newDatabase(t, must(t, migrated))
}

func newDatabase(t testing.TB, from string) string {
	t.Helper()
	server := must(t, postgres)
	name := "test_" + strconv.FormatInt(databases.Add(1), 10)
	url, err := server.NewDatabase(t.Context(), name, from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), cleanUpLimit)
		defer cancel()
		if err := drop(ctx, server.URL, name); err != nil {
			t.Errorf("drop the test's database: %v", err)
		}
	})
	return url
}

func drop(ctx context.Context, url, name string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	// With FORCE, since the test may have leaked a connection.
	_, err = conn.Exec(ctx, "DROP DATABASE "+pgx.Identifier{name}.Sanitize()+" WITH (FORCE)")
	return err
}

// freeNumbers holds the numbers of the Redis databases that no test uses.
var freeNumbers = sync.OnceValue(func() chan int {
	const databases = 256
	free := make(chan int, databases)
	for n := range databases {
		free <- n
	}
	return free
})

// Redis returns the URL of an empty database, redis://host:port/number, on a server that the
// package's tests share. No other test gets it until the end of this one, when it is flushed.
// Pub/sub channels are shared, whatever the database: tests receive each other's messages.
func Redis(t testing.TB) string {
	t.Helper()
	server := must(t, redisServer)
	var number int
	select {
	case number = <-freeNumbers():
	default:
		t.Fatal("every database of the shared Redis is in use")
	}
	t.Cleanup(func() {
		if err := flush(server.Addr, number); err != nil {
			t.Errorf("flush the test's Redis database: %v", err)
		}
		freeNumbers() <- number
	})
	return server.URL + "/" + strconv.Itoa(number)
}

func flush(addr string, number int) error {
	ctx, cancel := context.WithTimeout(context.Background(), cleanUpLimit)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: addr, DB: number})
	defer client.Close()
	return client.FlushDB(ctx).Err()
}

// Sentinel returns a group of Redis servers that the package's tests share: each test must use
// keys of its own and leave the servers running.
func Sentinel(t testing.TB) *stack.Sentinel {
	t.Helper()
	return must(t, sentinel)
}

// RedisCluster returns a Redis Cluster that the package's tests share: each test must use keys
// of its own and leave the nodes running.
func RedisCluster(t testing.TB) *stack.RedisCluster {
	t.Helper()
	return must(t, redisCluster)
}

// ZooKeeper returns the host:port of a server that the package's tests share: each test must
// use a path of its own.
func ZooKeeper(t testing.TB) string {
	t.Helper()
	return must(t, zooKeeper).Addr
}

// must returns what start returned, or fails the test; the error of a missing server says how
// to install it.
func must[T any](t testing.TB, start func() (T, error)) T {
	t.Helper()
	v, err := start()
	if err != nil {
		t.Fatal(err)
	}
	return v
}
