package stack

import (
	_ "embed" // for the guard's script
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"
)

//go:embed guard.sh
var guardScript string

// guardLimit bounds the wait for the guard's own clean-up. The script's waits
// add up to 9 s; removing the folder comes on top.
const guardLimit = 20 * time.Second

// A guard is a shell that outlives this process. It reads from a pipe which process groups run,
// and once nobody holds the pipe's other end any more it ends those groups and removes the
// folder. This works even if the parent is killed: the kernel then closes its end of the pipe.
type guard struct {
	pid    int
	events *os.File // the end that is written to; close-on-exec
	done   chan struct{}
}

// newGuard starts the guard of a folder, which need not exist yet.
func newGuard(dir string) (*guard, error) {
	events, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("open the guard's pipe: %w", err)
	}
	defer events.Close()
	// Passed in the environment, so that lists of processes show one short line.
	cmd := exec.Command("/bin/sh", "-c", `eval "$GUARD"`, "stack-guard", dir)
	cmd.Dir = "/"
	cmd.Stdin = events
	cmd.Env = []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin", "GUARD=" + guardScript}
	// A session of its own, which signals to this process's group or terminal do not reach.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := startGuard(cmd); err != nil {
		w.Close()
		return nil, fmt.Errorf("start the guard: %w", err)
	}
	g := &guard{pid: cmd.Process.Pid, events: w, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its outcome is whether the folder is gone
		close(g.done)
	}()
	return g, nil
}

// startGuard starts the script and waits until it says that it ignores signals.
func startGuard(cmd *exec.Cmd) error {
	deaf, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer deaf.Close()
	cmd.Stdout = w
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err
	}
	err = deaf.SetReadDeadline(time.Now().Add(guardLimit))
	if err == nil {
		_, err = deaf.Read(make([]byte, 1))
	}
	if err != nil {
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return nil
}

// forget tells the guard that a group has ended, so that it never signals another process that
// gets the same number later.
func (g *guard) forget(group int) {
	// An error means that the guard is gone, and with it what it remembered.
	_, _ = fmt.Fprintf(g.events, "stop %d\n", group)
}

// close lets the guard do its work and waits for it.
func (g *guard) close() error {
	err := g.events.Close()
	limit := time.NewTimer(guardLimit)
	defer limit.Stop()
	select {
	case <-g.done:
		return err
	case <-limit.C:
		return errors.Join(err, errors.New("stack: the guard is still cleaning up"))
	}
}
