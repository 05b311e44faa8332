package main

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench/locks"
	"orderd/loadtest/report"
)

// benchCommands are the benchmarks.
type benchCommands struct {
	All      benchAllCommand      `cmd:"" default:"withargs" help:"Orders and locks, and all goals in one table; some 25 minutes on a machine with 2 cores. The default."`
	Locks    benchLocksCommand    `cmd:"" help:"Measure orderd's lock modes beside public lock libraries, on the same servers."`
	Orders   benchOrdersCommand   `cmd:"" help:"Measure orders beside pgbench, and the goals for them."`
	Overload benchOverloadCommand `cmd:"" help:"Measure what becomes of orders when far more come than orderd takes on."`
}

type benchLocksCommand struct {
	Contenders []string        `default:"${contenders}" enum:"${contenders}" help:"Locks to measure: ${enum}."`
	Holds      []time.Duration `default:"0s,300us,2ms" help:"How long turns last where many want them, one after the other of these. The goals are for 2ms."`
	Processes  int             `default:"${lock_processes}" help:"Processes that want the lock at a time."`
	Waiters    int             `default:"${lock_waiters}" help:"Waiters in each of them."`
	Rounds     int             `default:"3" help:"How often everything is measured; the table has the medians."`
	Window     time.Duration   `default:"${turns_window}" help:"For how long turns are counted, after a quarter of it to warm up."`
	Lockbench  string          `placeholder:"PATH" help:"Binary of the program that takes the turns. Default: built from loadtest/lockbench."`
	resultFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *benchLocksCommand) Validate() error {
	for _, hold := range c.Holds {
		if hold < 0 || hold > time.Second {
			return errors.New("--holds: must be 0s to 1s each")
		}
	}
	switch {
	case len(c.Contenders) == 0:
		return errors.New("--contenders: must be one at least")
	case len(c.Holds) == 0 || len(c.Holds) > 10:
		return errors.New("--holds: must be 1 to 10 of them")
	case c.Processes < 1 || c.Processes > 16:
		return errors.New("--processes: must be 1 to 16")
	case c.Waiters < 1 || c.Waiters > 64:
		return errors.New("--waiters: must be 1 to 64")
	case c.Processes*c.Waiters < 2:
		return errors.New("--waiters: must be above 1 with one process, lest nobody wait")
	case c.Rounds < 1 || c.Rounds > 99:
		return errors.New("--rounds: must be 1 to 99")
	case c.Window < 100*time.Millisecond || c.Window > time.Minute:
		return errors.New("--window: must be 100ms to 1m")
	}
	return nil
}

// Run measures and writes the result.
func (c *benchLocksCommand) Run(con *console, verdict *audit.Verdict) error {
	return c.bench(con, "bench locks", verdict, c.measure)
}

// measure adds the figures to a result.
func (c *benchLocksCommand) measure(con *console, folder report.Folder, r *benchResult) error {
	started := time.Now()
	plan := locks.Plan{
		Contenders: locks.Named(c.Contenders), Processes: c.Processes, Waiters: c.Waiters,
		Holds: slices.Compact(slices.Sorted(slices.Values(c.Holds))), Rounds: c.Rounds, Window: c.Window,
	}
	con.say("starting servers and building the contenders' program")
	lab, err := locks.Open(con.ctx, c.Lockbench, plan.Contenders)
	if err != nil {
		return err
	}
	defer lab.Close()
	con.say("ready after %.1f s", time.Since(started).Seconds())

	bar := con.track(plan.Parts())
	figures, err := plan.Run(con.ctx, lab, bar.begin, bar.done)
	bar.stop()
	if err := con.ctx.Err(); err != nil {
		return err // users who interrupt a run do not want its logs
	}
	r.Locks = &figures
	c.configure(r.Config)
	return saveLogs(folder, "locks", lab.SaveLogs, err)
}

func (c *benchLocksCommand) configure(config map[string]string) {
	holds := make([]string, len(c.Holds))
	for i, hold := range c.Holds {
		holds[i] = hold.String()
	}
	maps.Copy(config, map[string]string{
		"contenders": strings.Join(c.Contenders, ","), "holds": strings.Join(holds, ","), "processes": strconv.Itoa(c.Processes),
		"waiters": strconv.Itoa(c.Waiters), "rounds": strconv.Itoa(c.Rounds), "window of turns": c.Window.String(),
		"turns": "closed loop, each waiter asks again at once; the servers' defaults; Redis keeps nothing on disk",
	})
}
