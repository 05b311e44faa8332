package main

import (
	"errors"
	"maps"
	"strconv"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

type benchOverloadCommand struct {
	Rounds int           `default:"3" help:"How often everything is measured; the table has the medians."`
	Window time.Duration `default:"3s" help:"For how long orders are counted, after half of it to warm up."`
	Orderd string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	resultFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *benchOverloadCommand) Validate() error {
	switch {
	case c.Rounds < 1 || c.Rounds > 99:
		return errors.New("--rounds: must be 1 to 99")
	case c.Window < 100*time.Millisecond || c.Window > 20*time.Second:
		return errors.New("--window: must be 100ms to 20s")
	}
	return nil
}

// Run measures and writes the result.
func (c *benchOverloadCommand) Run(con *console, verdict *audit.Verdict) error {
	return c.bench(con, "bench overload", verdict, c.measure)
}

// measure adds the figures to a result.
func (c *benchOverloadCommand) measure(con *console, folder report.Folder, r *benchResult) error {
	con.say("starting servers")
	lab, err := orders.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer lab.Close(con.ctx)
	bar := con.track(orders.OverloadParts(c.Rounds))
	figures, err := lab.Overload(con.ctx, c.Rounds, c.Window, bar.begin, bar.done)
	bar.stop()
	if err := con.ctx.Err(); err != nil {
		return err // users who interrupt a run do not want its logs
	}
	r.Overload = &figures
	maps.Copy(r.Config, map[string]string{
		"rounds": strconv.Itoa(c.Rounds), "window": c.Window.String(), "durability": "fsync and synchronous_commit on",
	})
	return saveLogs(folder, "overload", lab.SaveLogs, err)
}
