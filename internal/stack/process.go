package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// Limits that hold where the caller set no tighter one.
const (
	defaultGrace = 10 * time.Second
	startLimit   = time.Minute
	killLimit    = 5 * time.Second
)

// A Command says what to run and how to tell that it is ready.
type Command struct {
	// Name is the process's name in errors and the name of its log file.
	// A process started under a name used before appends to that log.
	Name string
	// Path is the program, searched in PATH if it has no slash.
	Path string
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Dir is the working directory; empty means the stack's folder.
	Dir string
	// Ready is polled until it returns nil; nil means ready at once. It must
	// make sure that it talks to this very program: another may have taken the
	// port in between.
	Ready func(context.Context) error
	// Stop asks the program to end; nil means SIGTERM.
	Stop os.Signal
	// Grace is how long Stop waits before it kills; 0 means 10 s.
	Grace time.Duration

	discard syscall.Signal      // ends it fast when its data is not kept; 0: as Stop
	user    *syscall.Credential // nil: as this process
}

// A Process is a program that the stack runs, in a process group of its own.
type Process struct {
	name    string
	log     string
	logFrom int64 // where this run's output begins
	cmd     *exec.Cmd
	stop    syscall.Signal
	discard syscall.Signal
	grace   time.Duration
	done    chan struct{}
	err     error // of the run; set before done closes
}

// Start runs a program and waits until it is ready. If it ends early, or ctx or
// a minute does, the error quotes the last lines of its log and nothing is left
// running.
func (s *Stack) Start(ctx context.Context, c Command) (*Process, error) {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	p, err := s.launch(c)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	if c.Ready == nil {
		return p, nil
	}
	if err := awaitReady(ctx, c.Ready, p); err != nil {
		killed := p.Kill()
		return nil, fmt.Errorf("start %s: %w", c.Name, errors.Join(err, killed, p.quoteLog()))
	}
	return p, nil
}

// register makes a program known to the guard before it runs: the shell writes
// its own number, which the program keeps, and hands over. As long as it has
// not, it holds the guard's pipe open itself, so that there is no moment at
// which the parent's death would be missed. Arguments: signal, program, ….
const register = `echo "start $$ $1" >&3 && exec 3>&- && shift && exec "$@"`

func (s *Stack) launch(c Command) (*Process, error) {
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return nil, err
	}
	// The program starts in another folder than the caller's.
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	p := &Process{name: c.Name, grace: c.Grace, done: make(chan struct{})}
	p.stop, p.discard = signals(c)
	if p.grace == 0 {
		p.grace = defaultGrace
	}
	p.log = filepath.Join(s.dir, "logs", c.Name+".log")

	args := append([]string{"-c", register, c.Name, strconv.Itoa(int(p.discard)), path}, c.Args...)
	p.cmd = exec.Command("/bin/sh", args...)
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Dir = c.Dir
	if c.Dir == "" {
		p.cmd.Dir = s.dir
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.user}

	// A stack that is being closed must not miss a process started meanwhile.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	if p.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.ExtraFiles = []*os.File{s.guard.events}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	s.processes = append(s.processes, p)
	go s.reap(p)
	return p, nil
}

// reap waits for a process to end, and ends what it left in its group.
func (s *Stack) reap(p *Process) {
	p.err = p.cmd.Wait()
	// Numbers are given out in turn, so the group's cannot be a stranger's yet.
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	s.guard.forget(p.Pid())
	close(p.done)
}

func signals(c Command) (stop, discard syscall.Signal) {
	stop, discard = syscall.SIGTERM, c.discard
	if sig, ok := c.Stop.(syscall.Signal); ok {
		stop = sig
	}
	if discard == 0 {
		discard = stop
	}
	return stop, discard
}

// Name is the name the process was started under.
func (p *Process) Name() string { return p.name }

// Pid is the number of the process and of its group.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// LogFile is the file that its output goes to, until the stack is closed.
func (p *Process) LogFile() string { return p.log }

// Done is closed once the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err says how the process ended: nil after exit status 0, else an
// *exec.ExitError. It is nil while the process runs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// ExitCode is the exit status, or -1 while the process runs or if a signal
// ended it.
func (p *Process) ExitCode() int {
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	default:
		return -1
	}
}
