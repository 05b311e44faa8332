package stacktest

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"
)

func TestMain(m *testing.M) { Main(m) }

func TestPostgres(t *testing.T) {
	t.Parallel()
	other := Postgres(t)
	var url string
	t.Run("has a database", func(t *testing.T) {
		if url = Postgres(t); url == other {
			t.Errorf("two tests have the database %s", url)
		}
		conn, err := pgx.Connect(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		// It is left open: the database goes all the same.
		if _, err := conn.Exec(t.Context(), "CREATE TABLE stock ()"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.PgConn().Conn().Close() })
	})
	_, err := pgx.Connect(t.Context(), url)
	var pgErr *pgconn.PgError
	const noDatabase = "3D000"
	if !errors.As(err, &pgErr) || pgErr.Code != noDatabase {
		t.Errorf("connecting after the test: %v, want SQLSTATE %s", err, noDatabase)
	}
}

func TestRedis(t *testing.T) {
	t.Parallel()
	other := Redis(t)
	var url string
	t.Run("has a database", func(t *testing.T) {
		if url = Redis(t); url == other {
			t.Errorf("two tests have the database %s", url)
		}
		if err := OpenRedis(t, url).Set(t.Context(), "key", "value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	})
	if n, err := OpenRedis(t, url).DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("after the test %d keys are left, %v", n, err)
	}
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	g := Sentinel(t)
	if again := Sentinel(t); again != g {
		t.Errorf("a second group was started: %v, %v", g.Addrs, again.Addrs)
	}
	c := redis.NewFailoverClient(&redis.FailoverOptions{MasterName: g.MasterName, SentinelAddrs: g.Addrs})
	t.Cleanup(func() { c.Close() })
	if err := c.Set(t.Context(), t.Name(), "value", 0).Err(); err != nil {
		t.Error(err)
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	g := RedisCluster(t)
	if again := RedisCluster(t); again != g {
		t.Errorf("a second cluster was started: %v, %v", g.Addrs, again.Addrs)
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: g.Addrs})
	t.Cleanup(func() { c.Close() })
	if err := c.Set(t.Context(), t.Name(), "value", 0).Err(); err != nil {
		t.Error(err)
	}
}

func TestZooKeeper(t *testing.T) {
	t.Parallel()
	addr := ZooKeeper(t)
	if again := ZooKeeper(t); again != addr {
		t.Errorf("a second server was started: %s, %s", addr, again)
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

// leaky makes TestLeak leak a goroutine.
const leaky = "STACKTEST_LEAK"

func TestLeak(t *testing.T) {
	t.Log("stack:", Stack(t).Dir())
	if os.Getenv(leaky) != "" {
		go func() { select {} }()
	}
}

func TestMain_leak(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]int{"": 0, "yes": 1} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLeak$", "-test.v")
		cmd.Env = append(os.Environ(), leaky+"="+value)
		text, _ := cmd.CombinedOutput() // its error is the exit code's
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("leak %q: exit code %d, want %d\n%s", value, got, want, text)
		}
		_, dir, _ := strings.Cut(string(text), "stack: ")
		dir, _, _ = strings.Cut(dir, "\n")
		if _, err := os.Lstat(dir); !os.IsNotExist(err) {
			t.Errorf("leak %q: the stack's folder %q: %v", value, dir, err)
		}
	}
}
