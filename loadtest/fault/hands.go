package fault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"orderd/internal/stack"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// pause stops an actor's process and waits until the operating system reports it stopped.
func (s *Scene) pause(a *Actor) error {
	if err := a.process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop %s: %w", a.ID, err)
	}
	err := s.await(a.ID+" stopped", func() (bool, error) { return processState(s.ctx, a.process.Pid()) == "T", nil })
	s.timeline.Begin(a.ID, report.Paused, "SIGSTOP")
	return err
}

// resume continues a paused actor.
func (s *Scene) resume(a *Actor) error {
	s.timeline.End(a.ID, report.Paused)
	return a.process.Signal(syscall.SIGCONT)
}

// kill ends an actor's process as a crash would.
func (s *Scene) kill(a *Actor) error {
	err := a.process.Kill()
	s.timeline.Begin(a.ID, report.Down, "SIGKILL")
	return err
}

// killAll kills servers, the others even if one of them cannot be.
func killAll[S interface{ Kill() error }](servers []S) error {
	var err error
	for _, server := range servers {
		err = errors.Join(err, server.Kill())
	}
	return err
}

// restartAll restarts servers at once: those of an ensemble are ready only together.
func restartAll[S interface{ Restart(context.Context) error }](ctx context.Context, servers []S) error {
	back := make(chan error, len(servers))
	for _, server := range servers {
		go func() { back <- server.Restart(ctx) }()
	}
	var err error
	for range servers {
		err = errors.Join(err, <-back)
	}
	return err
}

// empty kills a Redis that keeps nothing on disk, and restarts it.
func (s *Scene) empty(server *stack.Redis, name string) error {
	if err := server.Kill(); err != nil {
		return err
	}
	s.timeline.Event(name, "killed")
	if err := server.Restart(s.ctx); err != nil {
		return err
	}
	s.timeline.Event(name, "back, empty")
	return nil
}

// processState is the operating system's letter for a process's state.
func processState(ctx context.Context, pid int) string {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil { // as on macOS, which has no /proc
		text, _ = exec.CommandContext(ctx, "ps", "-o", "state=", "-p", strconv.Itoa(pid)).Output() // nothing for a process that is gone
		return string(text[:min(1, len(text))])
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return rest[:min(1, len(rest))]
}

// cut cuts an actor off from its lock service: connections are closed, and new ones refused.
// Sessions that hold advisory locks are frozen instead, for Postgres would release the locks
// of one that ends.
func (s *Scene) cut(a *Actor) {
	s.timeline.Begin(a.ID, report.CutOff, "lock service")
	for _, p := range a.Locks {
		p.Cut()
	}
	if s.mode == postgres {
		a.Postgres.FreezeLocks()
	}
}

// silence lets nothing pass between an actor and its lock service, and closes no connection.
func (s *Scene) silence(a *Actor) {
	s.timeline.Begin(a.ID, report.CutOff, "lock service")
	for _, p := range a.Locks {
		p.Freeze()
	}
	if s.mode == postgres {
		a.Postgres.FreezeLocks()
	}
}

// unsilence ends silence: what was held back goes on.
func (s *Scene) unsilence(a *Actor) {
	s.timeline.End(a.ID, report.CutOff)
	for _, p := range a.Locks {
		p.Heal()
	}
	a.Postgres.ThawLocks()
}

// primeLock makes the actor's next request for the lock one that is granted: its client has
// loaded its scripts by an order for something else, and in ZooKeeper the SKU's queue exists,
// since the third replica has taken the lock for an order that cannot be filled.
func (s *Scene) primeLock(a *Actor) error {
	if err := s.sells(a); err != nil || s.mode != zookeeper {
		return err
	}
	op := load.Op{Client: s.C.replica, Quantity: 2}
	s.client.Order(s.ctx, s.C.replica, s.sku, &op)
	if op.Outcome != load.SoldOut {
		return fmt.Errorf("an order for two units of one is answered %d %s %s", op.Status, op.Code, op.Error)
	}
	return nil
}

// loseAcquireReply drops the answers to the actor's next request for the lock, from as many
// servers as a lock needs.
func (s *Scene) loseAcquireReply(a *Actor) []<-chan struct{} {
	if s.mode == postgres {
		return []<-chan struct{}{a.Postgres.LoseLockReply(s.sku)}
	}
	var lost []<-chan struct{}
	for _, p := range a.Locks[:len(a.Locks)/2+1] {
		lost = append(lost, p.LoseReply(s.sku))
	}
	return lost
}

// sells waits until an actor sells another SKU. It is not enough that it is ready: it says so
// until its lock service has failed it several times.
func (s *Scene) sells(a *Actor) error {
	// Not a name with the SKU's in it: what is still said of it would be taken for the SKU's.
	other := fmt.Sprintf("elsewhere-%s-%d", a.ID, s.clock.UnixNano())
	if err := s.observer.SetStock(s.ctx, other, 1, predicate); err != nil {
		return err
	}
	defer a.Postgres.Forget() // this order is not part of what is judged
	for {
		_, err := s.until(s.ctx, buyer{clock: s.clock, sku: other, key: other, client: a.replica, replica: a.replica}, load.Confirmed)
		if err == nil || s.ctx.Err() != nil {
			return err
		}
	}
}

// warm has both actors sell something: an ensemble is slow the first time.
func (s *Scene) warm() error {
	for _, a := range []*Actor{s.A, s.B} {
		if err := s.sells(a); err != nil {
			return err
		}
	}
	return nil
}

// orderUntilDecided has the actor's client order until the answer is about the stock: a
// service that has just failed over or come back may fail the first orders.
func (s *Scene) orderUntilDecided(a *Actor) error {
	for {
		s.order(a)
		if err := s.answered(a); err != nil {
			return err
		}
		if code := s.orders[a].op.Code; code != "unavailable" && code != "lease_lost" {
			return nil
		}
	}
}
