package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// ErrRunning is returned by Restart if the process has not ended.
var ErrRunning = errors.New("stack: still running")

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
	// Ready is polled until it returns nil; nil means ready at once. It must
	// make sure that it talks to this very program: another may have taken the
	// port in between.
	Ready func(context.Context) error
	// Stop asks the program to end; 0 means SIGTERM.
	Stop syscall.Signal
	// Grace is how long Stop waits before it kills; 0 means 10 s.
	Grace time.Duration

	discard syscall.Signal      // ends it fast when its data is not kept; 0: as Stop
	user    *syscall.Credential // nil: as this process
}

// A Process is a program that the stack runs, in a process group of its own. Its methods may be
// called from many goroutines at once. After Restart they refer to the new run.
type Process struct {
	stack   *Stack
	command Command

	mu   sync.Mutex
	last *run
}

// Start runs a program and waits until it is ready. If it ends early, or ctx or
// a minute does, the error quotes the last lines of its log and nothing is left
// running.
func (s *Stack) Start(ctx context.Context, c Command) (*Process, error) {
	p := &Process{stack: s, command: c}
	if err := p.start(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// Restart runs a program that has ended once more, as it was started: on the
// same port and with the data that its last run left on disk. It waits and fails
// as Start does, and may then be called again; a program that has not ended is
// left alone, which is ErrRunning.
//
// By default, a PostgreSQL and a ZooKeeper have lost nothing that they had
// acknowledged. A Redis has lost everything unless it was told to keep it, as by
// "--appendonly", "yes". Back as a master before another has taken its place, it
// also makes its replicas lose everything.
func (p *Process) Restart(ctx context.Context) error {
	if err := p.start(ctx); err != nil {
		return fmt.Errorf("restart %s: %w", p.Name(), err)
	}
	return nil
}

func (p *Process) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	r, err := p.launch()
	if err != nil {
		return err
	}
	if p.command.Ready == nil {
		return nil
	}
	if err := awaitReady(ctx, p.command.Ready, r); err != nil {
		killed := r.kill()
		return errors.Join(err, killed, r.quoteLog())
	}
	return nil
}

// launch begins a run unless the last one still goes on.
func (p *Process) launch() (*run, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && !p.last.ended() {
		return nil, ErrRunning
	}
	r, err := p.stack.launch(p.command)
	if err != nil {
		return nil, err
	}
	p.last = r
	return r, nil
}

// run returns the last run, which is the current one if the process runs.
func (p *Process) run() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// Name is the name the process was started under.
func (p *Process) Name() string { return p.command.Name }

// Pid is the number of the process and of its group.
func (p *Process) Pid() int { return p.run().pid() }

// LogFile is the file that its output goes to, until the stack is closed.
func (p *Process) LogFile() string { return p.stack.logFile(p.Name()) }

// Done is closed once the process has ended. Each run has its own.
func (p *Process) Done() <-chan struct{} { return p.run().done }

// Err says how the process ended: nil after exit status 0, else an
// *exec.ExitError. It is nil while the process runs.
func (p *Process) Err() error {
	if r := p.run(); r.ended() {
		return r.err
	}
	return nil
}

// ExitCode is the exit status, or -1 while the process runs or if a signal
// ended it.
func (p *Process) ExitCode() int {
	if r := p.run(); r.ended() {
		return r.cmd.ProcessState.ExitCode()
	}
	return -1
}

// Signal sends a signal. The ones that no program can handle (STOP, CONT and
// KILL) go to all of its processes, so that a server of many freezes, goes on
// or dies as one; the others go to the main process alone. It returns
// os.ErrProcessDone if the process has ended.
func (p *Process) Signal(sig syscall.Signal) error { return p.run().signal(sig) }

// Kill ends the process with SIGKILL and waits until it is gone. It is no error
// if it had ended before.
func (p *Process) Kill() error { return p.run().kill() }

// Stop asks the process to end, also if it is frozen, and waits. It kills it,
// and says so in its error, if ctx or the command's grace ends first. It is no
// error if the process had ended before.
func (p *Process) Stop(ctx context.Context) error {
	r := p.run()
	return r.endBy(ctx, r.stop)
}

// EndBy ends the process by a signal of the caller's choice, such as one that has a server
// end as in a crash. It waits, kills and fails as Stop does, but a process that had ended
// before is an error, os.ErrProcessDone.
func (p *Process) EndBy(ctx context.Context, sig syscall.Signal) error {
	r := p.run()
	if r.ended() {
		return os.ErrProcessDone
	}
	return r.endBy(ctx, sig)
}

func (s *Stack) logFile(name string) string { return filepath.Join(s.dir, "logs", name+".log") }
