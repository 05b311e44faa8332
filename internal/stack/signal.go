package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Signal sends a signal. The ones that no program can handle (STOP, CONT and
// KILL) go to all of its processes, so that a server of many freezes, goes on
// or dies as one; the others go to the main process alone. It returns
// os.ErrProcessDone if the process has ended.
func (p *Process) Signal(sig os.Signal) error {
	if p.ended() {
		return os.ErrProcessDone
	}
	switch sig {
	case syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGKILL:
		return signalTree(p.Pid(), sig.(syscall.Signal))
	default:
		return p.cmd.Process.Signal(sig)
	}
}

// Kill ends the process with SIGKILL and waits until it is gone. It is no error
// if it had ended before.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	limit := time.NewTimer(killLimit)
	defer limit.Stop()
	select {
	case <-p.done:
		return nil
	case <-limit.C:
		return errors.Join(fmt.Errorf("kill %s: still there after %v", p.name, killLimit), err)
	}
}

// Stop asks the process to end, also if it is frozen, and waits. It kills it,
// and says so in its error, if ctx or the command's grace ends first. It is no
// error if the process had ended before.
func (p *Process) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.grace)
	defer cancel()
	return p.end(ctx, p.stop)
}

// end sends sig and waits; it kills when ctx ends.
func (p *Process) end(ctx context.Context, sig syscall.Signal) error {
	// Errors mean that it is gone, which the wait below finds.
	_ = p.Signal(sig)
	_ = p.Signal(syscall.SIGCONT)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(
			fmt.Errorf("stop %s: %v was not enough, killed it: %w", p.name, sig, ctx.Err()),
			p.Kill())
	}
}

func (p *Process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}
