package stack

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// A run is one life of a process.
type run struct {
	name    string
	log     string
	logFrom int64 // where this run's output begins
	cmd     *exec.Cmd
	stop    syscall.Signal
	discard syscall.Signal
	grace   time.Duration
	done    chan struct{}
	err     error // set before done closes

	mu     sync.Mutex
	reaped bool  // its number may be another process's by now
	killed []int // processes of its own that were killed with it
}

// register tells the guard of a program before it runs: the shell reports its own number, which
// the program keeps, and then becomes the program. Until then it holds the guard's pipe open
// itself, so that the guard cannot clean up after a dead parent before it knows of the program.
// Arguments: signal, program, ….
const register = `echo "start $$ $1" >&3 && exec 3>&- && shift && exec "$@"`

// launch starts a program without waiting until it is ready.
func (s *Stack) launch(c Command) (*run, error) {
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return nil, err
	}
	// The program starts in another folder than the caller's, where a relative path would
	// differ.
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	r := &run{name: c.Name, log: s.logFile(c.Name), grace: c.Grace, done: make(chan struct{})}
	r.stop, r.discard = signals(c)
	if r.grace == 0 {
		r.grace = defaultGrace
	}

	args := append([]string{"-c", register, c.Name, strconv.Itoa(int(r.discard)), path}, c.Args...)
	r.cmd = exec.Command("/bin/sh", args...)
	r.cmd.Env = append(os.Environ(), c.Env...)
	r.cmd.Dir = s.dir
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.user}

	// A stack that is being closed must not miss a run that begins meanwhile.
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	log, err := os.OpenFile(r.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	if r.logFrom, err = log.Seek(0, io.SeekEnd); err != nil {
		return nil, fmt.Errorf("find the end of the log: %w", err)
	}
	r.cmd.Stdout, r.cmd.Stderr = log, log
	r.cmd.ExtraFiles = []*os.File{s.guard.events}
	if err := r.cmd.Start(); err != nil {
		return nil, err
	}
	s.runs = append(s.runs, r)
	go s.reap(r)
	return r, nil
}

// reap waits for a run to end, and kills what it left in its group.
func (s *Stack) reap(r *run) {
	r.err = r.cmd.Wait()
	// The system assigns process numbers in turn, so the group's is not another's yet.
	_ = syscall.Kill(-r.pid(), syscall.SIGKILL)
	r.awaitKilled()
	s.guard.forget(r.pid())
	close(r.done)
}

// awaitKilled waits for the processes that were killed with the main one: until they are gone,
// the next run would find their memory in use.
func (r *run) awaitKilled() {
	r.mu.Lock()
	r.reaped = true
	killed := r.killed
	r.mu.Unlock()
	again := time.NewTicker(readyEvery)
	defer again.Stop()
	limit := time.NewTimer(killLimit)
	defer limit.Stop()
	for slices.ContainsFunc(killed, alive) {
		select {
		case <-limit.C:
			return
		case <-again.C:
		}
	}
}

func signals(c Command) (stop, discard syscall.Signal) {
	stop = cmp.Or(c.Stop, syscall.SIGTERM)
	return stop, cmp.Or(c.discard, stop)
}

func (r *run) pid() int { return r.cmd.Process.Pid }

func (r *run) ended() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}
