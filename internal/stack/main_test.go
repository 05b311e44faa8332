package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"
)

// victim names the environment variable that makes this test binary open a
// stack and wait to be killed: see guard_test.go.
const victim = "STACK_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victim) != "" {
		if err := beVictim(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// mustOpen opens a stack that is closed at the end of the test.
func mustOpen(t *testing.T) *Stack {
	t.Helper()
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func mustStart(t *testing.T, s *Stack, c Command) *Process {
	t.Helper()
	p, err := s.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// startAll starts one server of each kind, all at once.
func startAll(ctx context.Context, s *Stack) (pg *Postgres, err error) {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		var err error
		pg, err = s.Postgres(ctx, "pg")
		return err
	})
	g.Go(func() error {
		_, err := s.Redis(ctx, "redis")
		return err
	})
	g.Go(func() error {
		_, err := s.ZooKeeper(ctx, "zk")
		return err
	})
	return pg, g.Wait()
}

// script is a command that runs a shell script and is ready once that has made
// the file called ready in the stack's folder.
func script(s *Stack, name, text string) Command {
	return Command{
		Name: name,
		Path: "/bin/sh",
		Args: []string{"-c", text},
		Ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(s.Dir(), "ready"))
			return err
		},
	}
}

// eventually polls until check returns nil. The limit is for busy machines, on
// which an election may have to be held again.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// mustLeaveNothing closes the stack and fails the test if a process or the
// folder is still there.
func mustLeaveNothing(t *testing.T, s *Stack) {
	t.Helper()
	var pids []int
	for _, r := range s.runs {
		pids = append(pids, r.pid())
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := gone(pids); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.Dir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("folder: %v", err)
	}
}

// gone returns an error that names a process that still runs.
func gone(pids []int) error {
	for _, pid := range pids {
		if alive(pid) {
			return fmt.Errorf("process %d is in state %s", pid, state(pid))
		}
	}
	return nil
}
