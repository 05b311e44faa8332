// Package soak drives a shop for a long time, with every kind of request, while its replicas
// and servers end and come back, and checks whether anything was lost, done twice, or keeps
// growing.
package soak

import (
	"context"
	"fmt"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

const (
	replicas = 3
	clients  = 24
	// lockTTL is short enough that a dead holder does not block its SKUs for long, and long
	// enough to outlast a restart of ZooKeeper.
	lockTTL  = 3 * time.Second
	lockWait = 2 * time.Second
	batchMax = 64
	// warmUp is the fraction of the time after which all that grows to a fixed size has
	// reached it: each server has been restarted by then.
	warmUp = 0.4
)

// A Plan says how to soak.
type Plan struct {
	Modes []string      // lock modes; each gets an equal part of the time
	Lasts time.Duration // of all parts, without what is done before and after
	Rate  float64       // requests per second, approximately
	Seed  uint64
	// Say reports progress.
	Say func(format string, args ...any)
}

// Run soaks on the fleet's servers. It returns a cell for each mode, and the records by which
// each was judged. An error means that the laboratory could not do its work.
func Run(ctx context.Context, f *fleet.Fleet, p Plan) ([]report.Cell, []audit.Records, error) {
	cells, records := make([]report.Cell, len(p.Modes)), make([]audit.Records, len(p.Modes))
	for i, mode := range p.Modes {
		cells[i] = report.Cell{
			Fault: report.SoakCommand, Lock: mode, Replicas: replicas, Guard: modes.Predicate, BatchMax: batchMax,
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

// A part is the soak of one lock mode.
type part struct {
	Plan
	fleet    *fleet.Fleet
	replicas *fleet.Replicas
	shop     *shop
	chaos    *chaos
	clock    time.Time

	before, after report.Holdings
	rolled        []load.Op // orders sent while replicas were replaced
	seen          []audit.Invariant
}

func (p Plan) part(ctx context.Context, shared *fleet.Fleet, name string, cell *report.Cell) (records audit.Records, err error) {
	f, err := shared.Fork(ctx, name, fleet.Own{Masters: cell.Lock == modes.Redlock})
	if err != nil {
		return records, err
	}
	defer func() { _ = f.Close() }() // the fleet ends what this could not
	r, err := f.Start(ctx, fleet.Setup{
		Mode: cell.Lock, Replicas: replicas, LockWait: lockWait, LockTTL: lockTTL, BatchMax: batchMax, Balanced: true,
	})
	if err != nil {
		return records, err
	}
	defer func() {
		for _, process := range r.Processes {
			_ = process.Kill() // no need for a graceful end
		}
	}()
	s := &part{Plan: p, fleet: f, replicas: r, clock: time.Now()}
	s.shop = newShop(r.URLs, p, s.clock)
	defer s.shop.close()
	s.chaos = newChaos(f, r, cell.Lock, p.Seed, s.clock)
	if err := s.run(ctx); err != nil {
		return records, err
	}
	if records, err = s.records(ctx); err != nil {
		return records, err
	}
	s.judge(cell, records)
	return records, nil
}

// run is the part itself: load under chaos in two phases, each followed by a look at what the
// first replica holds; then a replacement of all replicas; then quiet.
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
		err := s.chaos.run(ctx, phase.lasts)
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
		s.Say("%v: %d requests so far; %s", time.Since(s.clock).Round(time.Second), s.shop.requests(), s.chaos)
	}
	if err := s.replaceAll(ctx); err != nil {
		return err
	}
	return s.settle(ctx)
}

// records collects the records by which the part is judged.
func (s *part) records(ctx context.Context) (audit.Records, error) {
	ops, acts := s.shop.history()
	r := audit.Records{Ops: numbered(append(ops, s.rolled...)), Acts: acts, Clients: clients, Fault: s.chaos.fault()}
	if err := s.fleet.Aftermath(ctx, settleLimit, &r, s.shop.skus...); err != nil {
		return r, err
	}
	for _, sku := range s.shop.skus {
		r.Starts = append(r.Starts, audit.Start{SKU: sku, OnHand: firstStock})
		ledger, err := s.fleet.Ledger(ctx, sku)
		if err != nil {
			return r, err
		}
		for i := range ledger {
			ledger[i].SKU = sku
		}
		r.Ledger = append(r.Ledger, ledger...)
	}
	return r, nil
}
