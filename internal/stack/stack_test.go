package stack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStack_Close(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	pg, err := startAll(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	// Neither a frozen server nor a program that ignores SIGTERM delays it for long.
	if err := pg.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	p := mustStart(t, s, script(s, "stubborn", `trap '' TERM; : >ready; while :; do sleep 0.01; done`))
	var pids []int
	for _, r := range s.runs {
		below, err := descendants(r.pid())
		if err != nil {
			t.Fatal(err)
		}
		pids = append(append(pids, r.pid()), below...)
	}
	memory := sharedMemory(s.Dir(), pids)

	began := time.Now()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("Close() took %v", took)
	}
	select {
	case <-p.Done():
	default:
		t.Error("a process has not ended")
	}
	if err := gone(pids); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.Dir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder: %v", err)
	}
	checkFreed(t, memory)
	if err := s.Close(); err != nil {
		t.Errorf("second Close() = %v", err)
	}
	if _, err := s.Start(t.Context(), Command{Name: "late", Path: "sh"}); !errors.Is(err, ErrClosed) {
		t.Errorf("Start() after Close() = %v, want %v", err, ErrClosed)
	}
}

func TestStack_startsFast(t *testing.T) {
	const limit = 5 * time.Second
	// Not parallel, and the best of three: the machine may be busy otherwise.
	var took time.Duration
	for range 3 {
		s := mustOpen(t)
		began := time.Now()
		if _, err := startAll(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		took = time.Since(began)
		t.Logf("PostgreSQL, Redis and ZooKeeper were ready after %v", took)
		if took < limit {
			return
		}
	}
	t.Errorf("three servers took %v to start, want under %v", took, limit)
}

// A folder that only its owner may enter is of no use to a server that runs as another user.
func TestOpen_unusableTemporaryFolder(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", closed)
	if _, err := mustOpen(t).Postgres(t.Context(), "pg"); err != nil {
		t.Error(err)
	}
}

// ZooKeeper would read other names than were meant, and write there.
func TestOpen_temporaryFolderThatZooKeeperCannotRead(t *testing.T) {
	for _, name := range []string{"ü", `b\s`} {
		dir, err := os.MkdirTemp("", name) // not below t.TempDir, which the servers' user may not enter
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", dir)
		if s, err := Open(); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
			t.Errorf("in %q Open = %v, %v; want an error that names TMPDIR", dir, s, err)
		}
	}
}

func TestStack_foldersAreNamedAndPrivate(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	if _, err := s.Redis(t.Context(), "redis"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{"": 0o711, "redis": 0o700, "logs": 0o700} {
		info, err := os.Stat(filepath.Join(s.Dir(), name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("folder %q has mode %v, want %v", name, info.Mode().Perm(), want)
		}
	}
	if _, err := s.Redis(t.Context(), "redis"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second Redis() of the name = %v, want %v", err, fs.ErrExist)
	}
}
