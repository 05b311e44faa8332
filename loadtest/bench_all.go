package main

import (
	"errors"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench/locks"
	"orderd/loadtest/report"
)

type benchAllCommand struct {
	Rounds    int    `default:"3" help:"How often everything is measured; the tables have the medians."`
	Large     int    `default:"10000000" help:"Sales that the large database holds already; it takes minutes to fill. 0: no large database."`
	Orderd    string `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	Lockbench string `placeholder:"PATH" help:"Binary of the program that takes the turns. Default: built from loadtest/lockbench."`
	Results   string `default:"results" placeholder:"DIR" help:"Folder for the files of the run."`
	Format    string `default:"text" enum:"text,json" help:"Format of the result on stdout: ${enum}."`
}

func (c *benchAllCommand) orders() *benchOrdersCommand {
	return &benchOrdersCommand{Rounds: c.Rounds, Window: 3 * time.Second, Large: c.Large, Curves: true, Orderd: c.Orderd}
}

// locks are measured only with the hold that goals are set for.
func (c *benchAllCommand) locks() *benchLocksCommand {
	return &benchLocksCommand{
		Contenders: locks.Names(), Holds: []time.Duration{locks.GoalHold}, Processes: 4, Waiters: 8,
		Rounds: c.Rounds, Window: 2 * time.Second, Lockbench: c.Lockbench,
	}
}

// Validate finds values that make no sense. Errors name the flag.
func (c *benchAllCommand) Validate() error { return c.orders().Validate() }

// Run measures one after the other and writes the result.
func (c *benchAllCommand) Run(con *console, verdict *audit.Verdict) error {
	r := newBenchResult(con, "bench", time.Now())
	folder, err := report.NewFolder(c.Results, "bench", r.Started)
	if err != nil {
		return err
	}
	if err := c.orders().measure(con, folder, &r); err != nil {
		return err
	}
	if err := c.locks().measure(con, folder, &r); err != nil {
		return errors.Join(err, r.conclude(con, folder, c.Format, verdict)) // what was measured is kept
	}
	return r.conclude(con, folder, c.Format, verdict)
}
