package soak

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
)

const (
	rollingClients = 8
	// think is a client's pause between an answer and its next order.
	think = 5 * time.Millisecond
	// backLimit is how long a new replica may go without an order.
	backLimit = 30 * time.Second
	lookEvery = 20 * time.Millisecond
)

// A round is a closed loop through the balancer while replicas are replaced.
type round struct {
	shop   *shop
	client *load.Client
	served [replicas]atomic.Int64 // orders answered by each replica
	mu     sync.Mutex
	ops    []load.Op
}

// replaceAll ends the replicas by SIGTERM and starts others in their place, one after the
// other, and records whether any order through the balancer failed meanwhile.
func (s *part) replaceAll(ctx context.Context) error {
	url, err := s.fleet.Balance(ctx, s.replicas)
	if err != nil {
		return err
	}
	r := &round{shop: s.shop, client: load.NewClient([]string{url}, rollingClients)}
	defer r.client.Close()
	open, over := context.WithCancel(ctx)
	var all sync.WaitGroup
	for n := range rollingClients {
		c := s.shop.newClient(clients+1+n, s.Seed)
		all.Go(func() { r.drive(ctx, open, c) })
	}
	for n := range s.replicas.Processes {
		if err = s.replaceOne(ctx, r, n); err != nil {
			break
		}
	}
	over()
	all.Wait()
	s.rolled = r.ops
	s.seen = append(s.seen, r.judge())
	return err
}

// replaceOne replaces the nth replica, and waits until the balancer sends orders to the new
// one.
func (s *part) replaceOne(ctx context.Context, r *round, n int) error {
	p := s.replicas.Processes[n]
	if err := p.Stop(ctx); err != nil {
		return err
	}
	before := r.served[n].Load()
	if err := p.Restart(ctx); err != nil {
		return err
	}
	return await(ctx, backLimit, "the balancer to send orders to "+p.Name(), func() (bool, error) {
		return r.served[n].Load() > before, nil
	})
}

// drive sends one order after the other until open ends.
func (r *round) drive(ctx, open context.Context, c *client) {
	for open.Err() == nil {
		op := load.Op{Client: c.number, Lines: c.lines(1), Call: time.Since(r.shop.clock)}
		r.client.Place(ctx, 0, &op)
		op.Return = time.Since(r.shop.clock)
		for n := range r.served {
			if op.Replica == fleet.ReplicaID(n) {
				r.served[n].Add(1)
			}
		}
		r.mu.Lock()
		r.ops = append(r.ops, op)
		r.mu.Unlock()
		time.Sleep(think) // so as not to saturate the replicas
	}
}

// judge counts the orders that were not served.
func (r *round) judge() audit.Invariant {
	i := audit.Invariant{Name: noneFailed, Verdict: audit.Held}
	failed := 0
	for _, op := range r.ops {
		if op.Outcome == load.Confirmed || op.Outcome == load.SoldOut {
			continue
		}
		if failed++; failed == 1 {
			i.Evidence = fmt.Sprintf("; the first at %v by %q: %d %s %s", op.Call.Round(time.Millisecond), op.Replica, op.Status, op.Code, op.Error)
		}
	}
	if failed > 0 {
		i.Verdict = audit.Violated
	}
	i.Evidence = fmt.Sprintf("%d of %d orders failed while %d replicas were replaced%s", failed, len(r.ops), replicas, i.Evidence)
	return i
}

// await polls until so returns true or an error, or the limit is reached.
func await(ctx context.Context, limit time.Duration, what string, so func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v for %s", limit, what))
	defer cancel()
	again := time.NewTicker(lookEvery)
	defer again.Stop()
	for {
		ok, err := so()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-again.C:
		}
	}
}
