package fault

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/wire"
)

const (
	// recoverLimit is how long after a fault orders may be refused because a server or the
	// lock is unavailable.
	recoverLimit = 5 * time.Second
	// restoreLimit is how long replicas and servers may take to be ready again.
	restoreLimit = 20 * time.Second
	// askEvery is how long a client waits after a refusal.
	askEvery = 20 * time.Millisecond
)

// restore brings everything back to the state before a try.
func (r *Rig) restore(ctx context.Context) error {
	r.heal()
	for _, a := range []*Actor{r.A, r.B} {
		a.Postgres.Forget()
	}
	return r.revive(ctx)
}

// heal reconnects the actors to their servers, and resumes those that were stopped.
func (r *Rig) heal() {
	for _, a := range []*Actor{r.A, r.B} {
		a.Postgres.Heal()
		a.Postgres.ThawLocks()
		for _, p := range a.Locks {
			p.Heal()
		}
		_ = resumeProcess(a.process) // it may have ended
	}
}

// resumeProcess resumes a process that may be stopped.
func resumeProcess(p *stack.Process) error { return p.Signal(syscall.SIGCONT) }

// revive restarts the replicas that have ended, and waits until all are ready.
func (r *Rig) revive(ctx context.Context) error {
	for _, p := range r.replicas.Processes {
		select {
		case <-p.Done():
			if err := p.Restart(ctx); err != nil {
				return err
			}
		default:
		}
	}
	targets := load.NewClient(r.replicas.URLs, actors)
	defer targets.Close()
	ctx, cancel := context.WithTimeout(ctx, restoreLimit)
	defer cancel()
	return targets.AwaitReady(ctx)
}

// settle heals everything, has the clients of unknown orders ask again, and another client
// order until the SKU is sold out: orders must be decided again, and answers true. It returns
// when the fault was over.
func (s *Scene) settle(ctx context.Context) (healed time.Duration, err error) {
	s.heal()
	healed = time.Since(s.clock)
	for _, o := range s.all {
		s.ops = append(s.ops, o.op)
	}
	for _, o := range s.all {
		if err == nil && o.op.Outcome == load.Unknown {
			err = s.askAgain(ctx, o)
		}
	}
	if err == nil {
		err = s.insist(ctx, buyer{client: actors}, load.SoldOut)
	}
	s.over = time.Since(s.clock)
	s.events = map[*Actor][]wire.Event{s.A: s.A.Postgres.Events(), s.B: s.B.Postgres.Events()}
	return healed, err
}

// askAgain has the client of an order of unknown outcome send it again. If it is written, that
// is what the client must be told.
func (s *Scene) askAgain(ctx context.Context, o *order) error {
	placed, err := s.fleet.Placed(ctx, s.sku)
	if err != nil {
		return err
	}
	wanted := []load.Outcome{load.Confirmed, load.SoldOut}
	if slices.ContainsFunc(placed, func(p audit.Placed) bool { return p.Has(o.op.Key) }) {
		wanted = wanted[:1]
	}
	return s.insist(ctx, buyer{client: o.op.Client, key: o.op.Key}, wanted...)
}

// insist has a client order at the third replica until the outcome is one of those wanted.
func (s *Scene) insist(ctx context.Context, b buyer, wanted ...load.Outcome) error {
	b.clock, b.sku, b.replica = s.clock, s.sku, actors
	ops, err := s.until(ctx, b, wanted...)
	for _, op := range ops {
		op.Seq = len(s.ops)
		s.ops = append(s.ops, op)
	}
	return err
}

// A buyer is a client that orders a unit at one replica, counted from 0.
type buyer struct {
	clock    time.Time
	sku, key string
	client   int
	replica  int
}

// until has a buyer order until the outcome is one of those wanted, for recoverLimit at most,
// and returns its attempts.
func (r *Rig) until(ctx context.Context, b buyer, wanted ...load.Outcome) ([]load.Op, error) {
	var ops []load.Op
	limited, cancel := context.WithTimeout(ctx, recoverLimit) // bounds the last attempt, too
	defer cancel()
	for {
		op := load.Op{Seq: len(ops), Client: b.client, Key: b.key, Quantity: 1, Call: time.Since(b.clock)}
		r.client.Order(limited, b.replica, b.sku, &op)
		op.Return = time.Since(b.clock)
		ops = append(ops, op)
		switch {
		case slices.Contains(wanted, op.Outcome):
			return ops, nil
		case ctx.Err() != nil:
			return ops, context.Cause(ctx)
		case limited.Err() != nil:
			return ops, fmt.Errorf("%v after the fault an order is answered %d %s %s", recoverLimit, op.Status, op.Code, op.Error)
		case op.Outcome != load.Confirmed:
			load.Sleep(limited, askEvery)
		}
	}
}

// aftermath has every replica, restarted ones too, sell a SKU that nobody has ordered before,
// and adds to the records what the servers have by then.
func (r *Rig) aftermath(ctx context.Context, clock time.Time, sku string, records *audit.Records) error {
	if err := r.revive(ctx); err != nil {
		return err
	}
	fresh := sku + "-after"
	if err := r.observer.SetStock(ctx, fresh, int64(len(r.replicas.URLs)), predicate); err != nil {
		return err
	}
	for i := range r.replicas.URLs {
		// If it sells nothing, the audit will say so.
		ops, _ := r.until(ctx, buyer{clock, fresh, fmt.Sprintf("%s-%d", fresh, i+1), i + 1, i}, load.Confirmed)
		records.Probes = append(records.Probes, ops...)
	}
	level, err := r.fleet.Level(ctx, sku)
	if err != nil {
		return err
	}
	if !r.reconciled && !level.Right() {
		stop, err := r.reconcile(ctx)
		if err != nil {
			return err
		}
		defer stop()
	}
	err = r.fleet.Aftermath(ctx, r.quiet, records, sku)
	for i := range records.Levels {
		records.Levels[i].Mended = !level.Right()
	}
	return err
}

// reconcile runs one more replica, which gets no orders, for its reconciler: the others have
// none, so that a schedule shows what orders alone do.
func (r *Rig) reconcile(ctx context.Context) (stop func(), err error) {
	one, err := r.fleet.Start(ctx, fleet.Setup{Mode: none, Replicas: 1, LockWait: lockWait, BatchMax: 1})
	if err != nil {
		return nil, err
	}
	return func() { _ = one.Processes[0].Kill() }, nil // no need for a graceful end
}
