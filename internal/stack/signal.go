package stack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// signal is Process.Signal for this run.
func (r *run) signal(sig syscall.Signal) error {
	if r.ended() {
		return os.ErrProcessDone
	}
	switch sig {
	case syscall.SIGSTOP, syscall.SIGCONT, syscall.SIGKILL:
		return r.signalTree(sig)
	default:
		return r.cmd.Process.Signal(sig)
	}
}

// signalTree signals all of the run's processes, and remembers those that it
// kills.
func (r *run) signalTree(sig syscall.Signal) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reaped {
		return os.ErrProcessDone
	}
	below, err := signalTree(r.pid(), sig)
	if sig == syscall.SIGKILL {
		r.killed = append(r.killed, below...)
	}
	return err
}

// kill is Process.Kill for this run.
func (r *run) kill() error {
	err := r.signal(syscall.SIGKILL)
	limit := time.NewTimer(killLimit)
	defer limit.Stop()
	select {
	case <-r.done:
		return nil
	case <-limit.C:
		return errors.Join(fmt.Errorf("kill %s: still there after %v", r.name, killLimit), err)
	}
}

// endBy is end within the command's grace.
func (r *run) endBy(ctx context.Context, sig syscall.Signal) error {
	ctx, cancel := context.WithTimeout(ctx, r.grace)
	defer cancel()
	return r.end(ctx, sig)
}

// end sends sig and waits; it kills when ctx ends.
func (r *run) end(ctx context.Context, sig syscall.Signal) error {
	// Errors mean that it is gone, which the wait below finds.
	_ = r.signal(sig)
	_ = r.signal(syscall.SIGCONT)
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return errors.Join(
			fmt.Errorf("stop %s: %v was not enough, killed it: %w", r.name, sig, context.Cause(ctx)),
			r.kill())
	}
}
