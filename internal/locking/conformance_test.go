package locking_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(holdMode) != "" {
		if err := hold(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	stacktest.Main(m)
}

func noResidue(testing.TB, ...string) []string { return nil }

func TestNone(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Backend: func(testing.TB) lockingtest.Backend {
			return lockingtest.Backend{
				Open:    func(t testing.TB) locking.Locker { return closing(t, locking.NewNone(), nil) },
				Residue: noResidue,
			}
		},
	})
}

func TestLocal(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Exclusive: true,
		Ordered:   true,
		Tells:     true,
		Backend: func(testing.TB) lockingtest.Backend {
			var opened []*locking.Local
			return lockingtest.Backend{
				Open: func(t testing.TB) locking.Locker {
					opened = append(opened, closing(t, locking.NewLocal(), nil))
					return opened[len(opened)-1]
				},
				Residue: func(t testing.TB, keys ...string) (left []string) {
					for _, l := range opened {
						for _, key := range keys {
							status, err := l.Inspect(t.Context(), key)
							if err != nil {
								t.Fatal(err)
							}
							if status.Owner != "" {
								left = append(left, slices.Repeat([]string{key}, 1+status.Waiters)...)
							}
						}
					}
					return left
				},
			}
		},
	})
}

const redisScheme = "redis://"

func openRedis(t testing.TB, url string, ttl time.Duration) *locking.Redis {
	t.Helper()
	l, err := newRedis(url, ttl)
	return closing(t, l, err)
}

func newRedis(url string, ttl time.Duration) (*locking.Redis, error) {
	server, err := redisOptions(url)
	if err != nil {
		return nil, err
	}
	return locking.NewRedis(locking.RedisConfig{Server: server, TTL: ttl, Owner: "test"})
}

func redisOptions(url string) (*redis.UniversalOptions, error) {
	opt, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	return &redis.UniversalOptions{Addrs: []string{opt.Addr}, DB: opt.DB}, nil
}

func redisClient(t testing.TB, url string) *redis.Client {
	t.Helper()
	opt, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(opt)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestRedis(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Exclusive: true, CrossProcess: true, Leased: true, Fenced: true, Ordered: true, Tells: true,
		TTL: ttl,
		Backend: func(t testing.TB) lockingtest.Backend {
			url := stacktest.Redis(t)
			client := redisClient(t, url)
			return lockingtest.Backend{
				Addr:    strings.TrimPrefix(url, redisScheme),
				Open:    func(t testing.TB) locking.Locker { return openRedis(t, url, ttl) },
				Residue: func(t testing.TB, keys ...string) []string { return redisResidue(t, client, keys) },
				Delete:  func(t testing.TB, key string) { deleteRedisLock(t, client, key) },
			}
		},
		StartServer: startRedis,
		OpenAt: func(t testing.TB, addr string, ttl time.Duration) locking.Locker {
			return openRedis(t, redisScheme+addr, ttl)
		},
		HoldElsewhere: holdElsewhere(locking.ModeRedis),
	})
}

func openZooKeeper(t testing.TB, addr string, ttl time.Duration) *locking.ZooKeeper {
	t.Helper()
	l, err := newZooKeeper(addr, ttl)
	return closing(t, l, err)
}

func newZooKeeper(addr string, ttl time.Duration) (*locking.ZooKeeper, error) {
	return locking.NewZooKeeper(locking.ZooKeeperConfig{
		Servers: []string{addr}, SessionTimeout: ttl, Owner: "test",
	})
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

func zkClient(t testing.TB, addr string) *zk.Conn {
	t.Helper()
	conn, events, err := zk.Connect([]string{addr}, 20*time.Second, zk.WithLogger(quiet{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		for range events {
		}
	})
	return conn
}

func zkNodes(t testing.TB, conn *zk.Conn, key string) []string {
	t.Helper()
	names, _, err := conn.Children(locking.ZKFolder(key))
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		t.Fatal(err)
	}
	for i, name := range names {
		names[i] = locking.ZKFolder(key) + "/" + name
	}
	return names
}

func TestZooKeeper(t *testing.T) {
	t.Parallel()
	lockingtest.Run(t, lockingtest.Options{
		Exclusive: true, CrossProcess: true, Leased: true, Fenced: true, Ordered: true, Tells: true,
		TTL: ttl,
		Backend: func(t testing.TB) lockingtest.Backend {
			addr := stacktest.ZooKeeper(t)
			conn := zkClient(t, addr)
			return lockingtest.Backend{
				Addr: addr,
				Open: func(t testing.TB) locking.Locker { return connected(t, openZooKeeper(t, addr, ttl)) },
				Residue: func(t testing.TB, keys ...string) (left []string) {
					for _, key := range keys {
						left = append(left, zkNodes(t, conn, key)...)
					}
					return left
				},
				Delete: func(t testing.TB, key string) {
					nodes := zkNodes(t, conn, key)
					if len(nodes) != 1 {
						t.Fatalf("%q has the nodes %q, want the holder's alone", key, nodes)
					}
					if err := conn.Delete(nodes[0], -1); err != nil {
						t.Fatal(err)
					}
				},
			}
		},
		StartServer: func(t testing.TB) lockingtest.Server {
			z, err := stacktest.Stack(t).ZooKeeper(t.Context(), fmt.Sprintf("zookeeper-%d", serial.Add(1)))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = z.Kill() })
			return lockingtest.Server{Addr: z.Addr, Process: z.Process}
		},
		OpenAt: func(t testing.TB, addr string, ttl time.Duration) locking.Locker {
			return openZooKeeper(t, addr, ttl)
		},
		HoldElsewhere: holdElsewhere(locking.ModeZooKeeper),
	})
}

// redisLock returns the name of a key's lock in Redis.
func redisLock(key string) string {
	lock, _, _ := locking.RedisNames(key)
	return lock
}
