package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/jackc/pgx/v5"
)

func mustConnect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	pg, err := s.Postgres(t.Context(), "pg", "wal_level=minimal", "max_wal_senders=0")
	if err != nil {
		t.Fatal(err)
	}
	url, err := pg.NewDatabase(t.Context(), `shop "1"`, "")
	if err != nil {
		t.Fatal(err)
	}
	conn := mustConnect(t, url)
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on",
		"wal_level": "minimal", "max_connections": "200", "listen_addresses": "127.0.0.1",
		"server_encoding": "UTF8", "is_superuser": "on", "unix_socket_directories": "",
	} {
		var got string
		if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	var database string
	var tables int
	err = conn.QueryRow(t.Context(), `SELECT current_database(), count(*) FROM pg_tables
		WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`).Scan(&database, &tables)
	if err != nil || database != `shop "1"` || tables != 0 {
		t.Errorf("database %s has %d tables, %v", database, tables, err)
	}

	info, err := os.Stat(filepath.Join(s.Dir(), "pg"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("the data folder's mode is %v", info.Mode())
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid == 0 {
		t.Error("the data folder is root's, and so is the server")
	}
}

// Freezing a server freezes the processes that answer for it, not only the one
// that takes connections; and killing it leaves none that still commits.
func TestPostgres_freezesAndDiesAsOne(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	pg, err := s.Postgres(t.Context(), "pg")
	if err != nil {
		t.Fatal(err)
	}
	conn := mustConnect(t, pg.URL)
	backend := int(conn.PgConn().PID())
	below, err := descendants(pg.Pid())
	if err != nil {
		t.Fatal(err)
	}

	memory := sharedMemory(s.Dir(), append(below, pg.Pid()))

	if err := pg.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() { answer <- conn.Ping(t.Context()) }()
	select {
	case err := <-answer:
		t.Fatalf("a frozen server answered: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	if err := pg.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after it went on: %v", err)
	}

	if err := pg.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "its backends end", func() error { return gone(append(below, backend)) })

	// It had no chance to remove its shared memory.
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	checkFreed(t, memory)
}

func TestRedis(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	r, err := s.Redis(t.Context(), "redis", "--appendonly", "yes")
	if err != nil {
		t.Fatal(err)
	}
	if r.URL != "redis://"+r.Addr {
		t.Errorf("URL = %s, Addr = %s", r.URL, r.Addr)
	}
	answer, err := ask(t.Context(), r.Addr, "CONFIG GET save\r\nCONFIG GET databases\r\n"+
		"CONFIG GET appendonly\r\nCONFIG GET bind\r\nSELECT 255\r\nQUIT\r\n")
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(answer), " ")
	for _, want := range []string{"save $0", "$3 256", "appendonly $3 yes", "$9 127.0.0.1", "+OK +OK"} {
		if !strings.Contains(words, want) {
			t.Errorf("the answer %q does not hold %q", words, want)
		}
	}
}

func TestZooKeeper(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	z, err := s.ZooKeeper(t.Context(), "zk")
	if err != nil {
		t.Fatal(err)
	}
	for question, want := range map[string]string{
		"ruok": "imok",
		"srvr": "Mode: standalone",
		"mntr": "zk_server_state\tstandalone",
		"conf": "maxClientCnxns=0\nminSessionTimeout=400\nmaxSessionTimeout=60000\n",
	} {
		answer, err := ask(t.Context(), z.Addr, question)
		if err != nil || !strings.Contains(answer, want) {
			t.Errorf("%s: %q, %v, want %q", question, answer, err, want)
		}
	}
	if err := zooMemberReady(t.Context(), z.Addr, filepath.Join(s.Dir(), "zk")); err == nil {
		t.Error("a server of no ensemble passes for a member of one")
	}
	text, err := os.ReadFile(z.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "INFO") {
		t.Errorf("the log is not quiet:\n%s", text)
	}
}

// Ephemerals lists a node that goes with its session, and not one that stays.
func TestZooKeeper_Ephemerals(t *testing.T) {
	t.Parallel()
	z, err := mustOpen(t).ZooKeeper(t.Context(), "zk")
	if err != nil {
		t.Fatal(err)
	}
	err = onServer(z, func(conn *zk.Conn) error {
		_, err1 := conn.Create("/stays", nil, 0, zk.WorldACL(zk.PermAll))
		_, err2 := conn.Create("/stays/goes", nil, zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		paths, err := z.Ephemerals(t.Context())
		if len(paths) != 1 || paths[0] != "/stays/goes" {
			t.Errorf("Ephemerals() = %q, want the one that goes", paths)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it goes with its session", func() error {
		if paths, err := z.Ephemerals(t.Context()); err != nil || len(paths) > 0 {
			return fmt.Errorf("Ephemerals() = %q, %w", paths, err)
		}
		return nil
	})
}
