package stacktest

import (
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/stack"
)

// awaitLimit is how long something may take that a test waits for: on a busy machine everything
// takes long.
const awaitLimit = 20 * time.Second

// Await returns once so is true, and fails the test, saying what it waited for, if that takes too
// long. It sleeps between polls: constant polling would take the CPU from those that it waits for.
func Await(t testing.TB, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(awaitLimit); !so(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v until %s", awaitLimit, what)
		}
	}
}

// UnusedAddress returns a host:port that nobody listens on.
func UnusedAddress(t testing.TB) string {
	t.Helper()
	ports, err := stack.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
}

// OpenRedis connects to a single Redis server until the test ends.
func OpenRedis(t testing.TB, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
	return client
}
