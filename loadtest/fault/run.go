package fault

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

const (
	// sceneLimit is how long a try may take: far more than any does, and longer than three
	// busy ZooKeepers take to come back.
	sceneLimit = time.Minute
	// atOnce is how many rigs run in parallel: they wait most of the time.
	atOnce = 4
)

// A Plan says what to run.
type Plan struct {
	Faults        []Fault
	Modes, Guards []string
	Repeat        int // tries of each cell
	BatchMax      int // most orders in a group; mode none has no groups
	// Done is called after each cell, from several goroutines.
	Done func(report.Cell)
}

// A job is one fault in one mode, for all guards.
type job struct {
	fault Fault
	mode  string
	plain []report.Cell // as planned
	cells []report.Cell // as they came out
	kept  []audit.Records
}

// Cells is the number of cells in the plan.
func (p Plan) Cells() int {
	n := 0
	for _, j := range p.jobs() {
		n += len(j.cells)
	}
	return n
}

func (p Plan) jobs() []*job {
	var jobs []*job
	for _, f := range p.Faults {
		for _, mode := range f.Modes {
			if !slices.Contains(p.Modes, mode) {
				continue
			}
			j := &job{fault: f, mode: mode, kept: make([]audit.Records, len(p.Guards))}
			for _, guard := range p.Guards {
				j.plain = append(j.plain, report.Cell{
					Fault: f.Name, Lock: mode, Guard: guard, Replicas: actors, BatchMax: modes.Of(mode).BatchMax(p.BatchMax), Clients: actors, Stock: 1,
					Expectation: f.expectation(mode, guard), Exclusive: f.Excludes && slices.Contains(leased, mode),
				})
			}
			j.cells = slices.Clone(j.plain)
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// Run runs the plan on the fleet's servers. It returns the cells in the order of the faults,
// and the records by which each was judged. An error means that the laboratory could not do
// its work.
func Run(ctx context.Context, f *fleet.Fleet, p Plan) ([]report.Cell, []audit.Records, error) {
	jobs := p.jobs()
	var number atomic.Int64
	running, ctx := errgroup.WithContext(ctx)
	running.SetLimit(atOnce)
	for _, j := range jobs {
		running.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := p.run(ctx, f, j, fmt.Sprintf("rig%d", number.Add(1))); err != nil {
				return fmt.Errorf("%s, %s: %w", j.fault.Name, j.mode, err)
			}
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		return nil, nil, err
	}
	var cells []report.Cell
	var records []audit.Records
	for _, j := range jobs {
		cells, records = append(cells, j.cells...), append(records, j.kept...)
	}
	return cells, records, nil
}

func (p Plan) run(ctx context.Context, shared *fleet.Fleet, j *job, name string) error {
	if j.fault.Fresh {
		return p.cells(ctx, j, name, func(try string, use func(*Rig) error) error {
			return withRig(ctx, shared, j, try, use)
		})
	}
	return withRig(ctx, shared, j, name, func(rig *Rig) error {
		if j.fault.Disruption != nil {
			return p.cellsUnderLoad(ctx, rig, j, name)
		}
		return p.cells(ctx, j, name, func(_ string, use func(*Rig) error) error { return use(rig) })
	})
}

// withRig opens a rig for a job, calls use with it, and closes it.
func withRig(ctx context.Context, shared *fleet.Fleet, j *job, name string, use func(*Rig) error) error {
	own := j.fault.Own
	own.Masters = j.mode == redlock
	f, err := shared.Fork(ctx, name, own)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // the fleet ends what this could not
	rig, err := openRig(ctx, f, j.mode, j.fault, j.plain[0].BatchMax)
	if err != nil {
		return err
	}
	defer rig.close()
	return use(rig)
}

// cells runs the job's cells one after the other, each try on the rig that on provides.
func (p Plan) cells(ctx context.Context, j *job, name string, on func(try string, use func(*Rig) error) error) error {
	for i := range j.cells {
		var tries report.Tries
		for n := range p.Repeat {
			cell := j.plain[i]
			cell.SKU = fmt.Sprintf("%s-%s-%s-%s-%d", name, j.fault.Name, j.mode, cell.Guard, n+1)
			var records audit.Records
			err := on(fmt.Sprintf("%s_%d_%d", name, i+1, n+1), func(rig *Rig) (err error) {
				records, err = rig.try(ctx, j.fault, &cell)
				return err
			})
			if err != nil {
				return err
			}
			count(&tries, cell.Verdict)
			if n == 0 || instead(&j.cells[i], &cell) {
				j.cells[i], j.kept[i] = cell, records
			}
		}
		j.cells[i].Tries = &tries
		p.Done(j.cells[i])
	}
	return nil
}

// instead reports whether a try is to be reported instead of the earlier one. Reported is the
// first that was not as expected, preferably one that is decided; if there is none, the last.
func instead(told, next *report.Cell) bool {
	return told.Met || !next.Met && told.Verdict == audit.Undecided && next.Verdict != audit.Undecided
}

func count(tries *report.Tries, v audit.Verdict) {
	switch v {
	case audit.Held:
		tries.Held++
	case audit.Violated:
		tries.Violated++
	case audit.Undecided:
		tries.Undecided++
	}
}

// try runs the fault's schedule once and judges it.
func (r *Rig) try(ctx context.Context, f Fault, cell *report.Cell) (audit.Records, error) {
	if err := r.restore(ctx); err != nil {
		return audit.Records{}, err
	}
	if err := r.observer.SetStock(ctx, cell.SKU, 1, cell.Guard); err != nil {
		return audit.Records{}, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, sceneLimit, fmt.Errorf("%v are over", sceneLimit))
	defer cancel()
	clock := time.Now()
	s := &Scene{
		Rig: r, ctx: limited, sku: cell.SKU, guard: cell.Guard, clock: clock, timeline: report.Recorder{Clock: clock},
		orders: map[*Actor]*order{}, waited: map[*Actor]bool{},
	}
	watching, stop := context.WithCancel(limited)
	if slices.Contains(leased, r.mode) {
		r.running.Go(func() { s.watch(watching) })
	}
	var cause error
	if f.Fresh {
		cause = s.warm()
	}
	if cause == nil {
		cause = f.Schedule(s)
	}
	stop()
	if ctx.Err() != nil {
		return audit.Records{}, ctx.Err()
	}
	if cause != nil { // what still waits is cancelled
		cancel()
	}
	r.running.Wait()
	healed, err := s.settle(ctx)
	if cause == nil {
		cause = err
	}
	records := audit.Records{
		Ops: s.ops, Clients: actors, Starts: []audit.Start{{OnHand: 1}}, Fault: &audit.Fault{Name: f.Name, Fired: s.fire != "", Healed: &healed},
	}
	if cause == nil { // a schedule that failed has no aftermath to check
		cause = r.aftermath(ctx, s.clock, cell.SKU, &records)
	}
	if records.Ledger, err = r.fleet.Ledger(ctx, cell.SKU); err != nil {
		return audit.Records{}, err
	}
	s.judge(cell, records, cause)
	return records, nil
}
