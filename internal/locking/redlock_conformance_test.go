package locking_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack"
	"orderd/internal/stack/stacktest"
)

// startMaster starts a Redis of its own.
func startMaster(t testing.TB) *stack.Redis {
	t.Helper()
	r, err := stacktest.Stack(t).Redis(t.Context(), fmt.Sprintf("master-%d", serial.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var masters struct {
	sync.Mutex
	addrs []string
}

// sharedMasters returns the addresses of three servers that tests share: their
// keys differ.
func sharedMasters(t testing.TB) []string {
	t.Helper()
	masters.Lock()
	defer masters.Unlock()
	for len(masters.addrs) < 3 {
		masters.addrs = append(masters.addrs, startMaster(t).Addr)
	}
	return masters.addrs
}

func openRedlock(t testing.TB, addrs []string, ttl time.Duration) *locking.Redlock {
	t.Helper()
	r, err := newRedlock(addrs, ttl)
	return closing(t, r, err)
}

func newRedlock(addrs []string, ttl time.Duration) (*locking.Redlock, error) {
	return locking.NewRedlock(locking.RedlockConfig{Masters: masterOptions(addrs), TTL: ttl, Owner: "test"})
}

func masterOptions(addrs []string) []*redis.UniversalOptions {
	options := make([]*redis.UniversalOptions, len(addrs))
	for i, addr := range addrs {
		options[i] = &redis.UniversalOptions{Addrs: []string{addr}}
	}
	return options
}

func masterClients(t testing.TB, addrs []string) []*redis.Client {
	t.Helper()
	clients := make([]*redis.Client, len(addrs))
	for i, addr := range addrs {
		clients[i] = redisClient(t, redisScheme+addr)
	}
	return clients
}

// granted reports whether a majority of the masters has a lock with its quorum's token. On a
// busy machine the others may have been too slow.
func granted(t testing.TB, clients []*redis.Client, key string) bool {
	t.Helper()
	tokens := make(map[string]int)
	for _, client := range clients {
		value, err := client.Get(t.Context(), redlockPrefix+key).Result()
		if errors.Is(err, redis.Nil) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if token := strings.Split(value, "|")[1]; !strings.HasPrefix(token, "-") { // not the quorum's
			tokens[token]++
		}
	}
	for _, n := range tokens {
		if n > len(clients)/2 {
			return true
		}
	}
	return false
}

const redlockPrefix = "orderd:redlock:"

func TestRedlock(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Exclusive: true, CrossProcess: true, Leased: true, Fenced: true,
		TTL: ttl,
		Backend: func(t testing.TB) lockingtest.Backend {
			addrs := sharedMasters(t)
			clients := masterClients(t, addrs)
			return lockingtest.Backend{
				Addr: strings.Join(addrs, ","),
				Open: func(t testing.TB) locking.Locker { return connected(t, openRedlock(t, addrs, ttl)) },
				Residue: func(t testing.TB, keys ...string) (left []string) {
					for _, key := range keys {
						for _, client := range clients {
							n, err := client.Exists(t.Context(), redlockPrefix+key).Result()
							if err != nil {
								t.Fatal(err)
							}
							left = append(left, slices.Repeat([]string{key}, int(n))...)
						}
					}
					return left
				},
				Delete: func(t testing.TB, key string) {
					lockingtest.Eventually(t, "the lock is granted", func() bool { return granted(t, clients, key) })
					deleted := 0
					for _, client := range clients {
						deleted += int(client.Del(t.Context(), redlockPrefix+key).Val())
					}
					if deleted <= len(clients)/2 {
						t.Fatalf("DEL of %q deleted it on %d masters", key, deleted)
					}
				},
			}
		},
		StartServer: func(t testing.TB) lockingtest.Server {
			r := startMaster(t)
			t.Cleanup(func() { _ = r.Kill() })
			return lockingtest.Server{Addr: r.Addr, Process: r.Process}
		},
		OpenAt: func(t testing.TB, addr string, ttl time.Duration) locking.Locker {
			return openRedlock(t, strings.Split(addr, ","), ttl)
		},
		HoldElsewhere: holdElsewhere(locking.ModeRedlock),
	})
}
