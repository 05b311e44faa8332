package stack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStart_earlyExit(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	_, err := s.Start(t.Context(), script(s, "brief", "echo what went wrong; exit 3"))
	if err == nil {
		t.Fatal("Start() = nil for a program that ended")
	}
	for _, want := range []string{"start brief", "exit status 3", "what went wrong"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not say %q", err, want)
		}
	}
}

func TestStart_neverReady(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := script(s, "slow", "echo $$; sleep 100")
	log := filepath.Join(s.Dir(), "logs", "slow.log")
	var pid int
	c.Ready = func(context.Context) error {
		text, err := os.ReadFile(log)
		if pid, _ = strconv.Atoi(strings.TrimSpace(string(text))); pid > 0 {
			cancel()
		}
		return errors.Join(errors.New("not yet"), err)
	}
	_, err := s.Start(ctx, c)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "not yet") {
		t.Errorf("Start() = %v, want the context's error and the last answer", err)
	}
	if err := gone([]int{pid}); err != nil {
		t.Error(err)
	}
}

func TestStart_noSuchProgram(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	if _, err := s.Start(t.Context(), Command{Name: "none", Path: "/no/such/program"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Start() = %v, want %v", err, os.ErrNotExist)
	}
}

func TestStart_givesEnvironmentFolderAndLog(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, Command{
		Name: "env", Path: "sh", Args: []string{"-c", `echo "$WORD $PWD"; echo again >&2`},
		Env: []string{"WORD=hello"},
	})
	<-p.Done()
	if p.ExitCode() != 0 || p.Err() != nil {
		t.Errorf("ExitCode() = %d, Err() = %v", p.ExitCode(), p.Err())
	}
	text, err := os.ReadFile(p.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), "hello "+s.dir+"\nagain\n"; got != want {
		t.Errorf("log = %q, want %q", got, want)
	}
}

func TestProcess_Stop(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, script(s, "polite", `trap 'exit 4' TERM; : >ready; while :; do sleep 0.01; done`))
	if p.ExitCode() != -1 || p.Err() != nil {
		t.Errorf("while it runs: ExitCode() = %d, Err() = %v", p.ExitCode(), p.Err())
	}
	// A frozen process can be stopped, too.
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("Stop() = %v", err)
	}
	if p.ExitCode() != 4 {
		t.Errorf("ExitCode() = %d, want 4", p.ExitCode())
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("second Stop() = %v", err)
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Signal() after the end = %v, want %v", err, os.ErrProcessDone)
	}
}

func TestProcess_StopKills(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	c := script(s, "stubborn", `trap '' TERM; : >ready; while :; do sleep 0.01; done`)
	c.Grace = 50 * time.Millisecond
	p := mustStart(t, s, c)
	if err := p.Stop(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Stop() = %v, want %v", err, context.DeadlineExceeded)
	}
	if p.ExitCode() != -1 || p.Err() == nil {
		t.Errorf("killed: ExitCode() = %d, Err() = %v", p.ExitCode(), p.Err())
	}
	if err := gone([]int{p.Pid()}); err != nil {
		t.Error(err)
	}
}

func TestProcess_endTakesItsGroupAlong(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	p := mustStart(t, s, Command{
		Name: "parent", Path: "/bin/sh", Args: []string{"-c", "sleep 100 & echo $!"},
	})
	<-p.Done()
	text, err := os.ReadFile(p.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child ends", func() error { return gone([]int{pid}) })
}
