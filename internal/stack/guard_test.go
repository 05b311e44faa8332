package stack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// beVictim opens a stack, prints its folder, starts every server, prints that, and waits to be
// killed.
func beVictim() error {
	s, err := Open()
	if err != nil {
		return err
	}
	fmt.Println(s.Dir())
	pg, err := startAll(context.Background(), s)
	if err != nil {
		return err
	}
	if os.Getenv(victim) == "frozen" {
		if err := pg.Signal(syscall.SIGSTOP); err != nil {
			return err
		}
	}
	fmt.Println("started")
	time.Sleep(time.Minute)
	return errors.New("nobody killed this process")
}

func TestParentKilled(t *testing.T) {
	t.Parallel()
	// When to kill the parent: its stack opened, a server's log there, all up.
	opened := func(string, *bufio.Scanner) error { return nil }
	started := func(_ string, out *bufio.Scanner) error {
		if !out.Scan() {
			return errors.New("the servers did not start")
		}
		return nil
	}
	fileThere := func(name string) func(string, *bufio.Scanner) error {
		return func(dir string, _ *bufio.Scanner) error {
			deadline := time.Now().Add(time.Minute)
			for time.Now().Before(deadline) {
				if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
					return nil
				}
				time.Sleep(time.Millisecond)
			}
			return fmt.Errorf("no file %s", name)
		}
	}
	for name, test := range map[string]struct {
		mode string
		wait func(dir string, out *bufio.Scanner) error
	}{
		"once the stack is open":       {"plain", opened},
		"while initdb starts":          {"plain", fileThere("logs/pg.log")},
		"while PostgreSQL starts":      {"plain", fileThere("pg/postmaster.pid")},
		"once all servers are up":      {"plain", started},
		"once PostgreSQL is frozen up": {"frozen", started},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killParent(t, test.mode, test.wait)
		})
	}
}

func killParent(t *testing.T, mode string, wait func(string, *bufio.Scanner) error) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), victim+"="+mode)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewScanner(stdout)
	ok := out.Scan()
	dir := out.Text()
	err = wait(dir, out)
	// Frozen, it starts nothing more while its children are counted.
	stopped := cmd.Process.Signal(syscall.SIGSTOP)
	pids, listed := descendants(cmd.Process.Pid)
	memory := sharedMemory(dir, pids)
	// Its whole group, as a terminal or a CI job would.
	killed := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	_ = cmd.Wait() // killed, which is an error
	if err := errors.Join(err, stopped, listed, killed); !ok || err != nil {
		t.Fatalf("folder %q: %v", dir, err)
	}
	if len(pids) == 0 {
		t.Fatal("the victim had no children, not even the guard")
	}

	eventually(t, "the children end", func() error { return gone(pids) })
	eventually(t, "the folder goes", func() error {
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("%s is still there", dir), err)
		}
		return nil
	})
	if left := strays(t, dir); len(left) > 0 {
		t.Errorf("processes that work in %s: %v", dir, left)
	}
	checkFreed(t, memory)
}

// strays lists the processes whose arguments name dir, where /proc tells.
func strays(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), dir) {
			found = append(found, file+": "+strings.ReplaceAll(string(text), "\x00", " "))
		}
	}
	return found
}

func TestGuardPipeStaysHere(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)

	// A program that the stack starts inherits only its standard streams.
	_, err := s.Start(t.Context(), Command{
		Name: "leak", Path: "/bin/sh", Args: []string{"-c", "(echo stop 1 >&3) || exit 7"},
		Ready: func(context.Context) error { return errors.New("still running") },
	})
	if err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("writing to the guard's pipe: %v, want exit status 7", err)
	}

	// The pipe is not inherited by a program that is started without the stack either.
	conn, err := s.guard.events.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var flags int
	var ferr error
	err = conn.Control(func(fd uintptr) { flags, ferr = unix.FcntlInt(fd, unix.F_GETFD, 0) })
	if err := errors.Join(err, ferr); err != nil {
		t.Fatal(err)
	}
	if flags&unix.FD_CLOEXEC == 0 {
		t.Error("the guard's pipe is not close-on-exec")
	}
}

func TestGuardIgnoresSignals(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if err := syscall.Kill(s.guard.pid, sig); err != nil {
			t.Fatal(err)
		}
	}
	// Without its guard, nothing would start, and the folder would stay.
	p := mustStart(t, s, script(s, "program", ": >ready; sleep 100"))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := gone([]int{p.Pid()}); err != nil {
		t.Error(err)
	}
}

func TestNothingRunsUnguarded(t *testing.T) {
	t.Parallel()
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.guard.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.guard.done
	_, err = s.Start(t.Context(), script(s, "program", ": >ready; sleep 100"))
	if !errors.Is(err, ErrExited) {
		t.Errorf("Start() = %v, want %v", err, ErrExited)
	}
	// Close says that the folder stays; it is this test's to remove.
	if err := s.Close(); err == nil {
		t.Error("Close() = nil although nobody removed the folder")
	}
	if err := os.RemoveAll(s.Dir()); err != nil {
		t.Error(err)
	}
}

// A group that has ended is forgotten: its number may be another's by now.
func TestGuardForgets(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	stranger := exec.Command("sleep", "100")
	stranger.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	pid := stranger.Process.Pid
	if _, err := fmt.Fprintf(s.guard.events, "start %d 15\n", pid); err != nil {
		t.Fatal(err)
	}
	s.guard.forget(pid)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	// Killed only now: if the guard has left it alone, this is the signal that it ends by.
	if err := stranger.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = stranger.Wait() // killed, which is an error
	if sig := stranger.ProcessState.Sys().(syscall.WaitStatus).Signal(); sig != syscall.SIGKILL {
		t.Errorf("the guard sent %v to a group that it was told to forget", sig)
	}
}
