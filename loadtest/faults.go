package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fault"
	"orderd/loadtest/fleet"
	"orderd/loadtest/report"
)

type faultsCommand struct {
	Only     []string `enum:"${faults}" placeholder:"NAME" help:"Faults to run; all by default. See --list."`
	Repeat   int      `default:"1" help:"How often each cell is tried."`
	Modes    []string `default:"${modes}" enum:"${modes}" help:"Lock modes to break, where the fault concerns them: ${enum}."`
	Guards   []string `default:"${guards}" enum:"${guards}" help:"What Postgres itself checks: ${enum}."`
	BatchMax int      `default:"1" help:"Most orders placed with one lease; 1: each has its own, which tells the layers apart best. Mode none: always 1."`
	List     bool     `help:"List the faults and the modes that each concerns, and run none."`
	labFlags

	without []string // faults that cannot be run here
}

// Validate finds values that make no sense. Errors name the flag.
func (c *faultsCommand) Validate() error {
	if c.Repeat < 1 || c.Repeat > 1000 {
		return errors.New("--repeat: must be 1 to 1000")
	}
	if c.BatchMax < 1 || c.BatchMax > 1024 {
		return errors.New("--batch-max: must be 1 to 1024")
	}
	switch {
	case c.Only != nil && len(c.Only) == 0:
		return errors.New("--only: needs one or more")
	case len(c.Modes) == 0:
		return errors.New("--modes: needs one or more")
	case len(c.Guards) == 0:
		return errors.New("--guards: needs one or more")
	}
	c.Guards = distinct(c.Guards) // each cell has a SKU of its own, and a guard one cell
	if c.plan().Cells() == 0 {
		return errors.New("--only, --modes, --guards: none of these faults concerns these modes (see --list)")
	}
	return nil
}

// leaveOut reports and leaves out the faults that cannot be run on this machine. It fails if
// one of them was asked for by name.
func (c *faultsCommand) leaveOut(con *console) error {
	for _, f := range c.plan().Faults {
		if f.Needs == nil {
			continue
		}
		err := f.Needs()
		if err != nil && slices.Contains(c.Only, f.Name) {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
		if err != nil {
			con.say("%s is left out: %v", f.Name, err)
			c.without = append(c.without, f.Name)
		}
	}
	return nil
}

func (c *faultsCommand) plan() fault.Plan {
	p := fault.Plan{Faults: slices.Clone(fault.All), Modes: c.Modes, Guards: c.Guards, Repeat: c.Repeat, BatchMax: c.BatchMax}
	p.Faults = slices.DeleteFunc(p.Faults, func(f fault.Fault) bool {
		return len(c.Only) > 0 && !slices.Contains(c.Only, f.Name) || slices.Contains(c.without, f.Name)
	})
	return p
}

// progress returns what is to be called with each cell that is done: it says how a fault went
// with a lock mode once all guards have been tried, and at once what was not expected. It is
// safe for concurrent use.
func (c *faultsCommand) progress(con *console, bar *bar) func(report.Cell) {
	var mu sync.Mutex
	done := map[string][]report.Cell{}
	return func(cell report.Cell) {
		mu.Lock()
		defer mu.Unlock()
		bar.step()
		if !cell.Met {
			con.say("%s, %s, guard %s: %s", cell.Fault, cell.Lock, cell.Guard, cell.Words())
		}
		name := cell.Fault + ", " + cell.Lock
		if done[name] = append(done[name], cell); len(done[name]) == len(c.Guards) {
			words, _ := report.Summary(done[name])
			bar.passed(name, strings.ReplaceAll(words, "\n", " "))
		}
	}
}

// Run injects the faults and writes the result.
func (c *faultsCommand) Run(con *console, verdict *audit.Verdict) error {
	if c.List {
		for _, f := range fault.All {
			fmt.Fprintf(con.out, "%-24s %s (%s)\n", f.Name, f.Title, strings.Join(f.Modes, ","))
		}
		return nil
	}
	if err := c.leaveOut(con); err != nil {
		return err
	}
	return c.run(con, report.FaultsCommand, verdict, func(f *fleet.Fleet, r *report.Result) (records []audit.Records, err error) {
		r.Seed = fault.Seed
		plan := c.plan()
		bar := con.track(plan.Cells())
		defer bar.stop()
		plan.Done = c.progress(con, bar)
		r.Cells, records, err = fault.Run(con.ctx, f, plan)
		r.Faults = map[string]string{}
		for _, f := range plan.Faults {
			r.Faults[f.Name] = f.Title
		}
		r.Config = map[string]string{
			"repeat": strconv.Itoa(c.Repeat), "stock": "1", "actors": "2 replicas with an order each, for the same unit",
			"took": time.Since(r.Started).Round(time.Second).String(),
		}
		return records, err
	})
}
