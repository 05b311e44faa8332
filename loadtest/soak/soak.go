// Package soak drives a shop for long, with all that clients ask for, while its
// replicas and servers come and go, and looks whether anything was lost, done
// twice, or is growing.
package soak

import (
	"context"
	"fmt"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

const (
	replicas = 3
	clients  = 24
	// lockTTL is short enough for a dead holder not to end the sales of its SKUs
	// for long, and long enough to outlive a restart of ZooKeeper.
	lockTTL  = 3 * time.Second
	lockWait = 2 * time.Second
	batchMax = 64
	// warmUp is the part of the time after which everything that grows to a size
	// and then stays so has grown: each server has been restarted by then.
	warmUp = 0.4
)

// A Plan is how to soak.
type Plan struct {
	Modes []string      // of the lock; each has an equal part of the time
	Lasts time.Duration // of all parts, without what is done before and after
	Rate  float64       // requests a second, about
	Seed  uint64
	// Say tells how far it is.
	Say func(format string, args ...any)
}

// Run soaks on the fleet's servers and returns a cell for each mode, and what it
// was judged by. An error means that the laboratory could not do its work.
func Run(ctx context.Context, f *fleet.Fleet, p Plan) ([]report.Cell, []audit.Records, error) {
	cells, records := make([]report.Cell, len(p.Modes)), make([]audit.Records, len(p.Modes))
	for i, mode := range p.Modes {
		cells[i] = report.Cell{
			Fault: report.SoakCommand, Lock: mode, Replicas: replicas, Guard: "predicate", BatchMax: batchMax,
			Clients: clients, Stock: firstStock, Expectation: report.Hold,
		}
		var err error
		if records[i], err = p.part(ctx, f, fmt.Sprintf("soak%d", i+1), &cells[i]); err != nil {
			return nil, nil, fmt.Errorf("mode %s: %w", mode, err)
		}
		p.Say("%s: %s", mode, cells[i].Words())
	}
	return cells, records, nil
}

// A part is the time that one lock mode has.
type part struct {
	Plan
	fleet    *fleet.Fleet
	replicas *fleet.Replicas
	shop     *shop
	weather  *chaos
	clock    time.Time

	before, after report.Holdings
	rolled        []load.Op // orders sent while replicas were replaced
	seen          []audit.Invariant
}

func (p Plan) part(ctx context.Context, shared *fleet.Fleet, name string, cell *report.Cell) (records audit.Records, err error) {
	f, err := shared.Fork(ctx, name, fleet.Own{Masters: cell.Lock == "redlock"})
	if err != nil {
		return records, err
	}
	defer func() { _ = f.CloseFork() }() // the fleet ends what it could not
	r, err := f.Start(ctx, fleet.Setup{
		Mode: cell.Lock, Replicas: replicas, LockWait: lockWait, LockTTL: lockTTL, BatchMax: batchMax, Balanced: true,
	})
	if err != nil {
		return records, err
	}
	defer func() {
		for _, process := range r.Processes {
			_ = process.Kill() // nothing of theirs is kept
		}
	}()
	s := &part{Plan: p, fleet: f, replicas: r, clock: time.Now()}
	s.shop = newShop(r.URLs, p, s.clock)
	defer s.shop.close()
	s.weather = newChaos(f, r, cell.Lock, p.Seed, s.clock)
	if err := s.run(ctx); err != nil {
		return records, err
	}
	if records, err = s.records(ctx); err != nil {
		return records, err
	}
	s.judge(cell, records)
	return records, nil
}

// run is the part's time: a load under bad weather, twice, a look at what the
// replicas hold after each, a replacement of all replicas, and quiet.
func (s *part) run(ctx context.Context) error {
	if err := s.shop.stock(ctx); err != nil {
		return err
	}
	each := s.Lasts / time.Duration(len(s.Modes))
	first := time.Duration(warmUp * float64(each))
	for _, phase := range []struct {
		lasts    time.Duration
		holdings *report.Holdings
	}{{first, &s.before}, {each - first, &s.after}} {
		closing := s.shop.open(ctx)
		err := s.weather.run(ctx, phase.lasts)
		closing()
		if err != nil {
			return err
		}
		if err := s.fleet.Reconnect(ctx); err != nil {
			return err
		}
		if *phase.holdings, err = s.holdings(ctx); err != nil {
			return err
		}
		s.Say("%v: %d requests so far; %s", time.Since(s.clock).Round(time.Second), s.shop.requests(), s.weather)
	}
	if err := s.replaceAll(ctx); err != nil {
		return err
	}
	return s.settle(ctx)
}

// records collects what the part is judged by.
func (s *part) records(ctx context.Context) (audit.Records, error) {
	ops, acts := s.shop.history()
	r := audit.Records{Ops: numbered(append(ops, s.rolled...)), Acts: acts, Clients: clients, Fault: s.weather.fault()}
	for _, sku := range s.shop.skus {
		ledger, err := s.fleet.Ledger(ctx, sku)
		if err != nil {
			return r, err
		}
		for i := range ledger {
			ledger[i].SKU = sku
		}
		r.Ledger = append(r.Ledger, ledger...)
	}
	var err error
	r.Placed, err = s.fleet.Placed(ctx)
	return r, err
}
