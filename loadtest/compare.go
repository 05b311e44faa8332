package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// quietLimit is how long after the last order Redis may be wrong and locks may be held:
// longer than a lease lasts.
const quietLimit = 15 * time.Second

type compareCommand struct {
	Modes    []string      `default:"${modes}" enum:"${modes}" help:"Lock modes to compare: ${enum}."`
	Replicas []int         `default:"1,3" help:"Numbers of replicas to try each mode with."`
	Guards   []string      `default:"none" enum:"${guards}" help:"What Postgres itself checks: ${enum}. Mode none is always tried with predicate too."`
	Clients  int           `default:"64" help:"Clients at a time, each with one order under way."`
	Stock    int64         `default:"200" help:"Units of each row's SKU."`
	Orders   int           `default:"1000" help:"Orders of one unit in each row."`
	Work     time.Duration `default:"5ms" help:"Work between the check and the write of each order, inside the lock."`
	LockWait time.Duration `default:"10s" help:"How long an order waits for the lock."`
	BatchMax int           `default:"1" help:"Most orders placed with one lease; 1: each has its own, which tells the modes apart best. Mode none: always 1."`
	Timeout  time.Duration `default:"1m" help:"How long a row may take."`
	labFlags
}

// turnMax is how long orderd lets an order wait for the lock and work.
const turnMax = 11 * time.Second

// Validate finds values that make no sense. Errors name the flag.
func (c *compareCommand) Validate() error {
	for _, n := range c.Replicas {
		if n < 1 || n > 16 {
			return errors.New("--replicas: must be 1 to 16")
		}
	}
	switch {
	case len(c.Modes) == 0:
		return errors.New("--modes: needs one or more")
	case len(c.Replicas) == 0:
		return errors.New("--replicas: needs one or more")
	case len(c.Guards) == 0:
		return errors.New("--guards: needs one or more")
	case c.Clients < 2 || c.Clients > 4096:
		return errors.New("--clients: must be 2 to 4096 (each unsafe row is also tried with one)")
	case c.Stock < 1 || c.Stock > 1_000_000:
		return errors.New("--stock: must be 1 to 1000000")
	case int64(c.Orders) <= c.Stock || c.Orders > 10_000_000:
		return errors.New("--orders: must be above --stock, lest it never run out, and at most 10000000")
	case c.Timeout <= 0:
		return errors.New("--timeout: must be above 0s")
	}
	return checkTurn(c.Work, c.LockWait, c.BatchMax)
}

// checkTurn finds settings of orderd that it would refuse. Errors name the flag.
func checkTurn(work, lockWait time.Duration, batchMax int) error {
	switch {
	case work < 0 || work > 10*time.Second:
		return errors.New("--work: must be 0s to 10s")
	case lockWait <= 0 || lockWait+work > turnMax:
		return fmt.Errorf("--lock-wait: must be above 0s, and at most %s with --work: orderd gives a request no more", turnMax)
	case batchMax < 1 || batchMax > 1024:
		return errors.New("--batch-max: must be 1 to 1024")
	}
	return nil
}

// plan returns the rows of the table: every mode with every number of replicas and every
// guard; mode none with nothing but the constraint; and each unsafe row again with a single
// client, as a control.
func (c *compareCommand) plan() []report.Cell {
	var cells []report.Cell
	add := func(mode string, replicas, clients int, guard string) {
		cell := report.Cell{
			Lock: mode, Replicas: replicas, Guard: guard, BatchMax: modes.Of(mode).BatchMax(c.BatchMax), Clients: clients, Stock: c.Stock,
			SKU:         fmt.Sprintf("%s-%d-%s-%d", mode, replicas, guard, clients),
			Expectation: expect(mode, replicas, clients, guard),
		}
		if !slices.ContainsFunc(cells, func(other report.Cell) bool { return other.SKU == cell.SKU }) {
			cells = append(cells, cell)
		}
	}
	for _, mode := range c.Modes {
		for _, replicas := range c.Replicas {
			for _, guard := range c.Guards {
				add(mode, replicas, c.Clients, guard)
			}
		}
	}
	if slices.Contains(c.Modes, modes.None) {
		add(modes.None, slices.Max(c.Replicas), c.Clients, modes.Predicate)
	}
	for _, cell := range slices.Clone(cells) {
		if cell.Expectation == report.Break {
			add(cell.Lock, cell.Replicas, 1, cell.Guard)
		}
	}
	return cells
}

// Run drives every row and writes the result.
func (c *compareCommand) Run(con *console, verdict *audit.Verdict) error {
	return c.run(con, "compare", verdict, func(f *fleet.Fleet, r *report.Result) (records []audit.Records, err error) {
		r.Config = map[string]string{
			"orders": strconv.Itoa(c.Orders), "stock": strconv.FormatInt(c.Stock, 10), "clients": strconv.Itoa(c.Clients),
			"work": c.Work.String(), "lock wait": c.LockWait.String(), "load": "closed loop, each client to the replicas in turn",
			"durability": "fsync and synchronous_commit on",
		}
		r.Cells = c.plan()
		bar := con.track(len(r.Cells) * c.Orders)
		defer bar.stop()
		return c.drive(con.ctx, f, r.Cells, bar)
	})
}

// drive runs the cells, those that need the same replicas one after the other.
func (c *compareCommand) drive(ctx context.Context, f *fleet.Fleet, cells []report.Cell, bar *bar) ([]audit.Records, error) {
	records := make([]audit.Records, len(cells))
	done := make([]bool, len(cells))
	for i := range cells {
		if done[i] {
			continue
		}
		replicas, err := f.Start(ctx, fleet.Setup{
			Mode: cells[i].Lock, Replicas: cells[i].Replicas, Work: c.Work, LockWait: c.LockWait,
			BatchMax: cells[i].BatchMax,
		})
		if err != nil {
			return nil, err
		}
		for j := i; j < len(cells) && err == nil; j++ {
			if cells[j].Lock == cells[i].Lock && cells[j].Replicas == cells[i].Replicas {
				records[j], err = c.driveOne(ctx, f, replicas, &cells[j], bar)
				done[j] = true
			}
		}
		if err := errors.Join(err, replicas.Stop(ctx)); err != nil {
			return nil, err
		}
	}
	return records, nil
}

func (c *compareCommand) driveOne(ctx context.Context, f *fleet.Fleet, replicas *fleet.Replicas, cell *report.Cell, bar *bar) (audit.Records, error) {
	limited, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	bar.begin("%s × %d, guard %s, %d at a time", cell.Lock, cell.Replicas, cell.Guard, cell.Clients)
	client := load.NewClient(replicas.URLs, cell.Clients)
	defer client.Close()
	if err := client.SetStock(limited, cell.SKU, cell.Stock, cell.Guard); err != nil {
		return audit.Records{}, err
	}
	r := audit.Records{Clients: cell.Clients, Starts: []audit.Start{{OnHand: cell.Stock}}}
	drive := load.Drive{SKU: cell.SKU, Clients: cell.Clients, Orders: c.Orders, Quantity: 1, Progress: bar.step}
	var took time.Duration
	r.Ops, took = drive.Run(limited, client)
	if limited.Err() != nil { // the last orders may have been cut off, too
		return r, fmt.Errorf("%s × %d: %d of %d orders sent in %s (--timeout): %w",
			cell.Lock, cell.Replicas, len(r.Ops), c.Orders, c.Timeout, context.Cause(limited))
	}
	if err := f.Aftermath(ctx, quietLimit, &r, cell.SKU); err != nil {
		return r, err
	}
	var err error
	if r.Ledger, err = f.Ledger(ctx, cell.SKU); err != nil {
		return r, err
	}
	cell.Judge(r, took)
	bar.end("%s", cell.Words())
	return r, nil
}
