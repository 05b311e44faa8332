package stack

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	s.find = finder{}
	_, pgErr := s.Postgres(t.Context(), "pg")
	_, redisErr := s.Redis(t.Context(), "redis")
	_, zooErr := s.ZooKeeper(t.Context(), "zk")

	want := []string{
		"PostgreSQL", "Redis", "ZooKeeper", "apt-get install",
		"postgresql", "redis-server", "libzookeeper-java", "default-jre-headless",
	}
	if runtime.GOOS == "darwin" {
		want = []string{"PostgreSQL", "Redis", "ZooKeeper", "brew install postgresql@17 redis zookeeper"}
	}
	for _, err := range []error{pgErr, redisErr, zooErr} {
		var missing *MissingError
		if !errors.As(err, &missing) || len(missing.Servers) != 3 {
			t.Fatalf("error = %v, want a *MissingError of three servers", err)
		}
		for _, word := range want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("error %q does not name %s", err, word)
			}
		}
	}
	for _, server := range missingServers(t, pgErr) {
		if server.Path != "" || !strings.Contains(server.Install, server.Package) {
			t.Errorf("server = %+v", server)
		}
	}
}

func missingServers(t *testing.T, err error) []Server {
	t.Helper()
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatal(err)
	}
	return missing.Servers
}

// One missing server does not keep the others from starting.
func TestMissing_oneOfThree(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	s.find.zooJars = nil
	s.find.path = []string{filepath.Dir(s.find.redis())}
	if _, err := s.Redis(t.Context(), "redis"); err != nil {
		t.Error(err)
	}
	_, err := s.ZooKeeper(t.Context(), "zk")
	if servers := missingServers(t, err); len(servers) != 1 || servers[0].Name != "ZooKeeper" {
		t.Errorf("missing: %+v", servers)
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	servers := Find()
	if err := Missing(servers); err != nil {
		t.Fatal(err)
	}
	for _, server := range servers {
		if !versionNumber.MatchString(server.Version) {
			t.Errorf("%s has version %q", server.Name, server.Version)
		}
		if _, err := os.Stat(server.Path); err != nil || server.Install != "" {
			t.Errorf("%s: %+v, %v", server.Name, server, err)
		}
	}
}

func TestFinder_places(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for _, path := range []string{
		"pg/9/bin/initdb", "pg/9/bin/postgres", "pg/15/bin/initdb", "pg/15/bin/postgres",
		"pg/16/bin/postgres", "usr/initdb", "usr/postgres",
		"zoo/bin/zkServer.sh", "zoo/lib/zookeeper-3.9.1.jar", "jdk/java", "usr/java",
	} {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := func(path string) string { return filepath.Join(root, path) }

	f := finder{
		path:         []string{at("zoo/bin")},
		postgresBins: []string{at("pg/*/bin")},
		javaBins:     []string{at("nowhere"), at("jdk")},
	}
	if got, want := f.postgres(), at("pg/15/bin"); got != want {
		t.Errorf("the newest complete one: postgres() = %s, want %s", got, want)
	}
	java, jar := f.zooKeeper()
	if java != at("jdk/java") || jar != at("zoo/lib/zookeeper-3.9.1.jar") {
		t.Errorf("an unpacked release: zooKeeper() = %s, %s", java, jar)
	}
	if got, want := classPath(jar), at("zoo/lib/*"); got != want {
		t.Errorf("classPath() = %s, want %s", got, want)
	}
	f.path = []string{at("usr")}
	if got, want := f.postgres(), at("usr"); got != want {
		t.Errorf("the path goes first: postgres() = %s, want %s", got, want)
	}
}

func TestInstallOn(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		release, sudo string
		packages      []string
		want          string
	}{
		{"NAME=x\nID=debian\n", "", []string{"redis-server", "chromium"}, "apt-get update && apt-get install -y redis-server chromium"},
		{"ID=ubuntu\nID_LIKE=debian\n", "sudo ", []string{"redis-server", "chromium"}, "sudo apt-get update && sudo apt-get install -y redis-server && sudo snap install chromium"},
		{"ID=ubuntu\n", "", []string{"chromium"}, "snap install chromium"},
		{"", "", []string{"gcc"}, "apt-get update && apt-get install -y gcc"},
	} {
		if got := installOn(row.release, row.sudo, row.packages); got != row.want {
			t.Errorf("%q, %q: %q, want %q", row.release, row.packages, got, row.want)
		}
	}
}
