package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

type benchOrdersCommand struct {
	Rounds  int           `default:"3" help:"How often everything is measured; the table has the medians."`
	Window  time.Duration `default:"3s" help:"For how long orders are counted, after a quarter of it to warm up."`
	Large   int           `default:"10000000" help:"Sales that the large database holds already; it takes minutes to fill. 0: no large database."`
	Curves  bool          `default:"true" negatable:"" help:"Also measure how the speed changes with clients, replicas, SKUs and the size of groups."`
	Only    string        `placeholder:"REGEXP" help:"Measure only what the table names so, such as \"one SKU\"."`
	Orderd  string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	Results string        `default:"results" placeholder:"DIR" help:"Folder for the files of the run."`
	Format  string        `default:"text" enum:"text,json" help:"Format of the result on stdout: ${enum}."`
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

type ordersResult struct {
	report.Result
	Figures orders.Figures `json:"figures"`
}

// Run measures and writes the result.
func (c *benchOrdersCommand) Run(con *console, verdict *audit.Verdict) error {
	started := time.Now()
	plan := orders.Plan{Rounds: c.Rounds, Window: c.Window, Large: c.Large, Curves: c.Curves, Only: regexp.MustCompile(c.Only)}
	con.say("starting servers")
	lab, err := orders.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer lab.Close(con.ctx)
	con.say("ready after %.1f s", time.Since(started).Seconds())
	bar := con.track(plan.Parts())
	figures, err := plan.Run(con.ctx, lab, bar.begin, func(format string, args ...any) {
		bar.step()
		bar.end(format, args...)
	})
	bar.stop()
	if err := con.ctx.Err(); err != nil {
		return err // nobody wants the logs of what they ended themselves
	}
	if err != nil {
		return errors.Join(err, keepLogs(c.Results, "bench-failed", started, lab.SaveLogs))
	}
	*verdict = bench.Verdict(figures.Goals)
	r := ordersResult{report.Result{
		SchemaVersion: report.SchemaVersion, Command: "bench orders", Arguments: con.arguments, Started: started.UTC(),
		Host: report.ThisHost(), Versions: versions(), Verdict: *verdict, Cells: []report.Cell{},
		Config: map[string]string{
			"rounds": strconv.Itoa(c.Rounds), "window": c.Window.String(), "large": strconv.Itoa(c.Large),
			"durability": "fsync and synchronous_commit on",
		},
	}, figures}
	folder, err := report.NewFolder(c.Results, "bench", r.Started)
	if err != nil {
		return err
	}
	var words bytes.Buffer
	orders.Text(&words, figures, plan, false)
	if err := errors.Join(lab.SaveLogs(folder.Logs()), folder.FinishFigures(r, words.Bytes())); err != nil {
		return err
	}
	con.say("took %.0f s; report: %s", time.Since(started).Seconds(), folder.Words())
	if c.Format == "json" {
		return report.JSON(con.out, r)
	}
	orders.Text(con.out, figures, plan, con.colours)
	return nil
}

// nothingCommand is what "bench orders" starts to compare with.
type nothingCommand struct {
	Port int `required:"" help:"Port on loopback."`
}

// Run serves until it is told to end.
func (c *nothingCommand) Run(con *console) error { return orders.ServeNothing(con.ctx, c.Port) }
