package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

type benchOrdersCommand struct {
	Rounds int           `default:"3" help:"How often everything is measured; the table has the medians."`
	Window time.Duration `default:"${orders_window}" help:"For how long orders are counted, after a quarter of it to warm up."`
	Large  int           `default:"10000000" help:"Sales that the large database holds already; it takes minutes to fill. 0: no large database."`
	Curves bool          `default:"true" negatable:"" help:"Also measure how the speed changes with clients, replicas, SKUs and the size of groups."`
	Only   string        `placeholder:"REGEXP" help:"Measure only what the table names so, such as \"one SKU\"."`
	Orderd string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	resultFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *benchOrdersCommand) Validate() error {
	switch {
	case c.Rounds < 1 || c.Rounds > 99:
		return errors.New("--rounds: must be 1 to 99")
	case c.Window < 100*time.Millisecond || c.Window > time.Minute:
		return errors.New("--window: must be 100ms to 1m")
	case c.Large < 0 || c.Large > 100_000_000:
		return errors.New("--large: must be 0 to 100000000")
	}
	if _, err := regexp.Compile(c.Only); err != nil {
		return fmt.Errorf("--only: %w", err)
	}
	return nil
}

// Run measures and writes the result.
func (c *benchOrdersCommand) Run(con *console, verdict *audit.Verdict) error {
	return c.bench(con, "bench orders", verdict, c.measure)
}

// measure adds the figures to a result.
func (c *benchOrdersCommand) measure(con *console, folder report.Folder, r *benchResult) error {
	started := time.Now()
	plan := orders.Plan{Rounds: c.Rounds, Window: c.Window, Large: c.Large, Curves: c.Curves, Only: regexp.MustCompile(c.Only)}
	con.say("starting servers")
	lab, err := orders.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer lab.Close(con.ctx)
	sync, err := bench.SyncTime(lab.Dir())
	if err != nil {
		return err
	}
	con.say("ready after %.1f s", time.Since(started).Seconds())
	bar := con.track(plan.Parts())
	figures, err := plan.Run(con.ctx, lab, bar.begin, bar.done)
	bar.stop()
	if err := con.ctx.Err(); err != nil {
		return err // users who interrupt a run do not want its logs
	}
	r.Orders = &figures
	maps.Copy(r.Config, map[string]string{
		"rounds": strconv.Itoa(c.Rounds), "window of orders": c.Window.String(), "large": strconv.Itoa(c.Large),
		"durability": fmt.Sprintf("fsync and synchronous_commit on; a write of 8 KiB takes %.2f ms to be durable", sync.Seconds()*1000),
	})
	return saveLogs(folder, "orders", lab.SaveLogs, err)
}

// nothingCommand is the server that "bench orders" starts to compare with.
type nothingCommand struct {
	Port int `required:"" help:"Port on loopback."`
}

// Run serves until con.ctx ends.
func (c *nothingCommand) Run(con *console) error { return orders.ServeNothing(con.ctx, c.Port) }
