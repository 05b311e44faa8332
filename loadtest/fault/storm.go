package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A storm is orders from many clients while things break again and again. It is
// judged by its books and not by one interleaving, and all guards stand it at
// once, each with a SKU of its own.
type storm struct {
	*Rig
	ctx      context.Context
	clock    time.Time
	timeline recorder
	random   *rand.Rand

	done  atomic.Int64  // how often something was broken
	calm  chan struct{} // closed when nothing will be broken any more
	drive []*drive
}

// A drive is the clients of one SKU.
type drive struct {
	sku  string
	sold atomic.Bool // sold out, after the storm
	mu   sync.Mutex
	ops  []load.Op
}

// Seed begins the sequence of replicas that are hit.
const Seed = 1

const (
	stormClients = 4 // of each SKU
	// stormWork is what an order takes inside the lock: the machine has time left,
	// and what breaks mostly finds somebody inside.
	stormWork = 40 * time.Millisecond
	// stormBackoff is the wait of a client that was refused.
	stormBackoff = 20 * time.Millisecond
	// stormLimit is when it is given up: the shop has stopped selling.
	stormLimit = 3 * time.Minute
)

// weather is what a storm does to the replicas and servers, for how long.
type weather struct {
	lasts  time.Duration
	every  time.Duration
	stock  int64 // units of each SKU: about as many as are sold meanwhile
	strike func(*storm) error
}

// storms has all cells of a job stand the storm at once.
func (r *Rig) storms(ctx context.Context, w weather, cells []*report.Cell) ([]audit.Records, error) {
	if err := r.restore(ctx); err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeoutCause(ctx, stormLimit, fmt.Errorf("%v are over", stormLimit))
	defer cancel()
	s := &storm{
		Rig: r, ctx: limited, clock: time.Now(), calm: make(chan struct{}),
		random: rand.New(rand.NewPCG(Seed, Seed)),
	}
	var clients sync.WaitGroup
	for _, cell := range cells {
		cell.Stock, cell.Clients, cell.Replicas = w.stock, stormClients, len(r.replicas.Processes)
		if err := r.observer.SetStock(ctx, cell.SKU, cell.Stock, cell.Guard); err != nil {
			return nil, err
		}
		d := &drive{sku: cell.SKU}
		s.drive = append(s.drive, d)
		for n := range stormClients {
			clients.Go(func() { s.shop(d, n) })
		}
	}
	cause := s.rage(w)
	close(s.calm)
	clients.Wait()
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

// rage strikes until the storm's time is up.
func (s *storm) rage(w weather) error {
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
		if err := w.strike(s); err != nil {
			return err
		}
		s.done.Add(1)
	}
}

// shop sends one order after the other until the storm is over and the SKU sold
// out.
func (s *storm) shop(d *drive, client int) {
	for turn := client; s.ctx.Err() == nil && !d.sold.Load(); turn++ {
		op := load.Op{Client: client, Quantity: 1, Call: time.Since(s.clock)}
		calm := s.isCalm()
		s.client.Order(s.ctx, turn, d.sku, &op)
		op.Return = time.Since(s.clock)
		d.mu.Lock()
		op.Seq = len(d.ops)
		d.ops = append(d.ops, op)
		d.mu.Unlock()
		if calm && op.Outcome == load.SoldOut {
			d.sold.Store(true)
		}
		if op.Outcome != load.Confirmed {
			select {
			case <-time.After(stormBackoff):
			case <-s.ctx.Done():
			}
		}
	}
}

func (s *storm) isCalm() bool {
	select {
	case <-s.calm:
		return true
	default:
		return false
	}
}

func (s *storm) judge(ctx context.Context, cell *report.Cell, d *drive, cause error) (audit.Records, error) {
	ledger, err := s.fleet.Ledger(ctx, cell.SKU)
	if err != nil {
		return audit.Records{}, err
	}
	r := audit.Records{Ops: d.ops, Ledger: ledger, Clients: stormClients}
	cell.Judge(r, time.Since(s.clock))
	fired := audit.Invariant{Name: faultFired, Verdict: audit.Held, Evidence: fmt.Sprintf("%d times", s.done.Load())}
	if !d.sold.Load() && cause == nil {
		cause = errors.New("the SKU was not sold out in time afterwards")
	}
	if s.done.Load() == 0 || cause != nil {
		fired.Verdict = audit.Undecided
		if cause != nil {
			fired.Evidence += ": " + cause.Error()
		}
	}
	cell.Invariants = append(cell.Invariants, fired)
	cell.Conclude()
	cell.CaughtBy = d.caughtBy(cell)
	cell.Timeline = s.draw(ledger)
	cell.Story = []string{fmt.Sprintf("It happened %d times while %d clients ordered; %d units were there and %d too many were sold.",
		s.done.Load(), stormClients, cell.Stock, cell.Oversold)}
	return r, nil
}

// caughtBy names the layers that were seen to stop anybody.
func (d *drive) caughtBy(cell *report.Cell) string {
	switch cell.Verdict {
	case audit.Violated:
		return byNothing
	case audit.Undecided:
		return ""
	case audit.Held:
	}
	var layers []string
	if slices.ContainsFunc(d.ops, func(op load.Op) bool { return op.LockWait > stormWork/2 }) {
		layers = append(layers, byLock)
	}
	if slices.ContainsFunc(d.ops, func(op load.Op) bool { return op.Code == "lease_lost" }) {
		layers = append(layers, byLeaseCheck) // or the guards fence and claim, which say the same
	}
	return strings.Join(layers, ", ")
}

// draw has the replicas' and servers' absences, and the first units sold that
// were not there.
func (s *storm) draw(ledger []load.Movement) *report.Timeline {
	s.timeline.mu.Lock()
	defer s.timeline.mu.Unlock()
	t := &report.Timeline{Spans: s.timeline.spans, Marks: s.timeline.marks}
	for _, p := range s.replicas.Processes {
		t.Lanes = append(t.Lanes, replicaOf(p))
	}
	s.timeline.finish(t, s.clock)
	answered := map[string]time.Duration{}
	for _, d := range s.drive {
		for _, op := range d.ops {
			answered[op.OrderID] = op.Return
		}
	}
	for _, m := range ledger {
		if at, ok := answered[m.OrderID]; ok && m.Reason == "sale" && m.OnHand < 0 {
			t.Marks = append(t.Marks, report.Mark{
				Lane: m.Replica, Kind: report.Oversold, Label: "sold what was not there", At: ms(at), OrderID: m.OrderID,
			})
		}
	}
	return t
}

// replicaOf is the replica's name, which its process's ends with.
func replicaOf(p *stack.Process) string { return p.Name()[len(p.Name())-len("r1"):] }

// stormy runs all cells of a job at once, as often as the plan says.
func (p Plan) stormy(ctx context.Context, rig *Rig, j *job, name string) error {
	tries := make([]report.Tries, len(j.cells))
	settled := make([]bool, len(j.cells))
	for n := range p.Repeat {
		cells := make([]*report.Cell, len(j.plain))
		for i := range j.plain {
			cell := j.plain[i]
			cell.SKU = fmt.Sprintf("%s-%s-%s-%s-%d", name, j.fault.Name, j.mode, cell.Guard, n+1)
			cells[i] = &cell
		}
		records, err := rig.storms(ctx, *j.fault.Weather, cells)
		if err != nil {
			return err
		}
		for i, cell := range cells {
			count(&tries[i], cell.Verdict)
			if !settled[i] {
				j.cells[i], j.kept[i] = *cell, records[i]
				settled[i] = !cell.Met
			}
		}
	}
	for i := range j.cells {
		j.cells[i].Tries = &tries[i]
		p.Done(j.cells[i])
	}
	return nil
}
