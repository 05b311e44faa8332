package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// ends are the ways in which a server may have ended before it comes back.
var ends = map[string]func(context.Context, *Process) error{
	"stopped": func(ctx context.Context, p *Process) error { return p.Stop(ctx) },
	"killed":  func(_ context.Context, p *Process) error { return p.Kill() },
	// Waits for Done alone.
	"signalled": func(_ context.Context, p *Process) error {
		done := p.Done()
		err := p.Signal(syscall.SIGKILL)
		<-done
		return err
	},
}

func mustRestart(t *testing.T, p *Process, end func(context.Context, *Process) error) {
	t.Helper()
	before, done := p.Pid(), p.Done()
	if err := end(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := p.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if p.Pid() == before || p.Done() == done {
		t.Errorf("%s does not speak of its new run", p.Name())
	}
}

func TestProcess_Restart(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, script(s, "program", "echo run; : >ready; sleep 100"))
	if err := p.Restart(t.Context()); !errors.Is(err, ErrRunning) {
		t.Errorf("Restart() of a running program = %v, want %v", err, ErrRunning)
	}
	mustRestart(t, p, ends["killed"])
	if p.Err() != nil || p.ExitCode() != -1 {
		t.Errorf("while it runs again: Err() = %v, ExitCode() = %d", p.Err(), p.ExitCode())
	}
	eventually(t, "both runs are in the log", func() error {
		text, err := os.ReadFile(p.LogFile())
		if got, want := string(text), "run\nrun\n"; err == nil && got != want {
			err = fmt.Errorf("log = %q, want %q", got, want)
		}
		return err
	})
	mustLeaveNothing(t, s)
	if err := p.Restart(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Restart() after Close() = %v, want %v", err, ErrClosed)
	}
}

// A restart that fails leaves nothing running and may be tried again.
func TestProcess_RestartFails(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, script(s, "program", `[ ! -e broken ] || { echo what went wrong; exit 3; }
		: >ready; sleep 100`))
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	broken, ready := s.Dir()+"/broken", s.Dir()+"/ready"
	if err := errors.Join(os.WriteFile(broken, nil, 0o600), os.Remove(ready)); err != nil {
		t.Fatal(err)
	}
	err := p.Restart(t.Context())
	if err == nil {
		t.Fatal("Restart() = nil for a program that ended")
	}
	for _, want := range []string{"restart program", "exit status 3", "what went wrong"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
	if p.ExitCode() != 3 {
		t.Errorf("ExitCode() = %d, want 3", p.ExitCode())
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	if err := p.Restart(t.Context()); err != nil {
		t.Error(err)
	}
}

// Concurrent callers that look at the process find one run or the other, and of concurrent
// restarts one is made.
func TestProcess_RestartAmongOthers(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, script(s, "program", ": >ready; sleep 100"))
	for range 5 {
		if err := p.Kill(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		errs := make(chan error, 4)
		for range cap(errs) {
			wg.Go(func() { errs <- p.Restart(t.Context()) })
			wg.Go(func() { _, _, _ = p.Pid(), p.Err(), p.ExitCode() })
		}
		wg.Wait()
		close(errs)
		var made int
		for err := range errs {
			switch {
			case err == nil:
				made++
			case !errors.Is(err, ErrRunning):
				t.Error(err)
			}
		}
		if made != 1 {
			t.Fatalf("%d restarts were made, want 1", made)
		}
	}
}

func TestPostgres_Restart(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	pg, err := s.Postgres(t.Context(), "pg")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mustConnect(t, pg.URL).Exec(t.Context(), "CREATE TABLE stock (way text)"); err != nil {
		t.Fatal(err)
	}
	for way, end := range ends {
		if _, err := mustConnect(t, pg.URL).Exec(t.Context(), "INSERT INTO stock VALUES ($1)", way); err != nil {
			t.Fatal(err)
		}
		mustRestart(t, pg.Process, end)
		var kept string
		err := mustConnect(t, pg.URL).QueryRow(t.Context(), "SELECT way FROM stock WHERE way = $1", way).Scan(&kept)
		if errors.Is(err, pgx.ErrNoRows) {
			t.Errorf("%s: it lost the row", way)
		} else if err != nil {
			t.Fatal(err)
		}
	}
	memory := sharedMemory(s.Dir(), []int{pg.Pid()})
	mustLeaveNothing(t, s)
	checkFreed(t, memory)
}

func TestRedis_Restart(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	for name, args := range map[string][]string{
		"kept": {"--appendonly", "yes", "--appendfsync", "always"},
		"lost": nil,
	} {
		r, err := s.Redis(t.Context(), name, args...)
		if err != nil {
			t.Fatal(err)
		}
		for way, end := range ends {
			if err := mustDial(t, r.Addr).Set(t.Context(), "key", way, 0).Err(); err != nil {
				t.Fatal(err)
			}
			mustRestart(t, r.Process, end)
			got, err := mustDial(t, r.Addr).Get(t.Context(), "key").Result()
			switch {
			case name == "kept" && (err != nil || got != way):
				t.Errorf("%s: key = %q, %v, want %q", way, got, err, way)
			case name == "lost" && !errors.Is(err, redis.Nil):
				t.Errorf("%s: key = %q, %v, want none", way, got, err)
			}
		}
	}
}
