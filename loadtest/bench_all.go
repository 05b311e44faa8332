package main

import (
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench/locks"
)

// Defaults of "bench orders" and "bench locks", which "bench all" keeps to.
const (
	ordersWindow  = 3 * time.Second
	turnsWindow   = 2 * time.Second
	lockProcesses = 4
	lockWaiters   = 8
)

type benchAllCommand struct {
	Rounds    int    `default:"3" help:"How often everything is measured; the tables have the medians."`
	Large     int    `default:"10000000" help:"Sales that the large database holds already; it takes minutes to fill. 0: no large database."`
	Orderd    string `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	Lockbench string `placeholder:"PATH" help:"Binary of the program that takes the turns. Default: built from loadtest/lockbench."`
	resultFlags
}

func (c *benchAllCommand) orders() *benchOrdersCommand {
	return &benchOrdersCommand{Rounds: c.Rounds, Window: ordersWindow, Large: c.Large, Curves: true, Orderd: c.Orderd}
}

// locks are measured only with the hold that goals are set for.
func (c *benchAllCommand) locks() *benchLocksCommand {
	return &benchLocksCommand{
		Contenders: locks.Names(), Holds: []time.Duration{locks.GoalHold}, Processes: lockProcesses, Waiters: lockWaiters,
		Rounds: c.Rounds, Window: turnsWindow, Lockbench: c.Lockbench,
	}
}

// Validate finds values that make no sense. Errors name the flag.
func (c *benchAllCommand) Validate() error { return c.orders().Validate() }

// Run measures one after the other and writes the result.
func (c *benchAllCommand) Run(con *console, verdict *audit.Verdict) error {
	return c.bench(con, "bench", verdict, c.orders().measure, c.locks().measure)
}
