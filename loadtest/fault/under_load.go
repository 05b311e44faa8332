package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A loadFault is a fault that is injected again and again while many clients order. It is
// judged by its books and not by one interleaving, and all guards run at once, each with its
// own SKU.
type loadFault struct {
	*Rig
	ctx      context.Context
	clock    time.Time
	timeline report.Recorder
	random   *rand.Rand

	done   atomic.Int64  // how often the fault was injected
	calm   chan struct{} // closed when nothing more will be injected
	healed time.Duration // when that was
	over   time.Duration // when all was sold out
	drive  []*drive
}

// A drive is the clients of one SKU.
type drive struct {
	sku  string
	sold atomic.Bool // sold out, after the last injection
	mu   sync.Mutex
	ops  []load.Op
}

// Seed seeds the choice of the replicas that are hit.
const Seed = 1

const (
	loadClients = 4 // for each SKU
	// loadWork is what an order takes inside the lock: the machine has idle time left, and a
	// fault mostly finds a replica in its critical section.
	loadWork = 40 * time.Millisecond
	// loadLimit is when a loadFault is given up: the shop no longer sells.
	loadLimit = 10 * time.Minute
)

// A disruption is what is injected, how often and for how long.
type disruption struct {
	lasts  time.Duration
	every  time.Duration
	stock  int64 // units of each SKU: about as many as are sold meanwhile
	inject func(*loadFault) error
}

// underLoad runs all cells of a job at once, under the disruption.
func (r *Rig) underLoad(ctx context.Context, w disruption, cells []*report.Cell) ([]audit.Records, error) {
	if err := r.restore(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, loadLimit, fmt.Errorf("%v are over", loadLimit))
	defer cancel()
	clock := time.Now()
	s := &loadFault{
		Rig: r, ctx: limited, clock: clock, timeline: report.Recorder{Clock: clock}, calm: make(chan struct{}),
		random: rand.New(rand.NewPCG(Seed, Seed)),
	}
	var clients sync.WaitGroup
	for _, cell := range cells {
		cell.Stock, cell.Clients, cell.Replicas = w.stock, loadClients, len(r.replicas.Processes)
		if err := r.observer.SetStock(ctx, cell.SKU, cell.Stock, cell.Guard); err != nil {
			return nil, err
		}
		d := &drive{sku: cell.SKU}
		s.drive = append(s.drive, d)
		for n := range loadClients {
			clients.Go(func() { s.shop(d, n) })
		}
	}
	cause := s.run(w)
	s.healed = time.Since(s.clock)
	close(s.calm)
	clients.Wait()
	s.over = time.Since(s.clock)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := r.fleet.Reconnect(ctx); err != nil {
		return nil, err
	}
	var kept []audit.Records
	for i, cell := range cells {
		records, err := s.judge(ctx, cell, s.drive[i], cause)
		if err != nil {
			return nil, err
		}
		kept = append(kept, records)
	}
	return kept, nil
}

// run injects the fault at intervals until the disruption's time is up.
func (s *loadFault) run(w disruption) error {
	end := time.NewTimer(w.lasts)
	defer end.Stop()
	strike := time.NewTicker(w.every)
	defer strike.Stop()
	for {
		select {
		case <-end.C:
			return nil
		case <-s.ctx.Done():
			return context.Cause(s.ctx)
		case <-strike.C:
		}
		if err := w.inject(s); err != nil {
			return err
		}
		s.done.Add(1)
	}
}

// shop sends one order after the other until the disruption is over and the SKU sold out. An
// order that was not decided is sent again, to the next replica and with its key, so that it
// is not placed twice.
func (s *loadFault) shop(d *drive, client int) {
	number, open := 0, false
	for turn := client; s.ctx.Err() == nil && (open || !d.sold.Load()); turn++ {
		op := load.Op{Client: client, Quantity: 1, Call: time.Since(s.clock), Key: fmt.Sprintf("%s-%d-%d", d.sku, client, number)}
		calm := s.isCalm()
		s.client.Order(s.ctx, turn, d.sku, &op)
		op.Return = time.Since(s.clock)
		d.add(op)
		if calm && op.Outcome == load.SoldOut {
			d.sold.Store(true)
		}
		switch op.Outcome {
		case load.Confirmed, load.SoldOut:
			number, open = number+1, false
		case load.Unknown:
			open = true
		case load.Busy, load.Failed: // an earlier attempt may still be open
		}
		if op.Outcome != load.Confirmed {
			load.Sleep(s.ctx, askEvery)
		}
	}
}

func (d *drive) add(op load.Op) {
	d.mu.Lock()
	defer d.mu.Unlock()
	op.Seq = len(d.ops)
	d.ops = append(d.ops, op)
}

func (s *loadFault) isCalm() bool {
	select {
	case <-s.calm:
		return true
	default:
		return false
	}
}

// cellsUnderLoad runs all cells of a job at once, as often as the plan says.
func (p Plan) cellsUnderLoad(ctx context.Context, rig *Rig, j *job, name string) error {
	tries := make([]report.Tries, len(j.cells))
	for n := range p.Repeat {
		cells := make([]*report.Cell, len(j.plain))
		for i := range j.plain {
			cell := j.plain[i]
			cell.SKU = fmt.Sprintf("%s-%s-%s-%s-%d", name, j.fault.Name, j.mode, cell.Guard, n+1)
			cells[i] = &cell
		}
		records, err := rig.underLoad(ctx, *j.fault.Disruption, cells)
		if err != nil {
			return err
		}
		for i, cell := range cells {
			count(&tries[i], cell.Verdict)
			if n == 0 || instead(&j.cells[i], cell) {
				j.cells[i], j.kept[i] = *cell, records[i]
			}
		}
	}
	for i := range j.cells {
		j.cells[i].Tries = &tries[i]
		p.Done(j.cells[i])
	}
	return nil
}
