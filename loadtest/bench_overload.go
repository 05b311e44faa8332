package main

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

type benchOverloadCommand struct {
	Rounds  int           `default:"3" help:"How often everything is measured; the table has the medians."`
	Window  time.Duration `default:"3s" help:"For how long orders are counted, after half of it to warm up."`
	Orderd  string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	Results string        `default:"results" placeholder:"DIR" help:"Folder for the files of the run."`
	Format  string        `default:"text" enum:"text,json" help:"Format of the result on stdout: ${enum}."`
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

type overloadResult struct {
	report.Result
	Figures orders.Overloads `json:"figures"`
}

// Run measures and writes the result.
func (c *benchOverloadCommand) Run(con *console, verdict *audit.Verdict) error {
	started := time.Now()
	con.say("starting servers")
	lab, err := orders.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer lab.Close(con.ctx)
	bar := con.track(orders.OverloadParts(c.Rounds))
	figures, err := lab.Overload(con.ctx, c.Rounds, c.Window, bar.begin, func(format string, args ...any) {
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
	folder, err := report.NewFolder(c.Results, "bench", started)
	if err != nil {
		return err
	}
	r := overloadResult{report.Result{
		SchemaVersion: report.SchemaVersion, Command: "bench overload", Arguments: con.arguments, Started: started.UTC(),
		Host: report.ThisHost(), Versions: versions(), Verdict: *verdict, Cells: []report.Cell{},
		Config: map[string]string{"rounds": strconv.Itoa(c.Rounds), "window": c.Window.String(), "durability": "fsync and synchronous_commit on"},
	}, figures}
	var words bytes.Buffer
	orders.OverloadText(&words, figures, false)
	if err := errors.Join(lab.SaveLogs(folder.Logs()), folder.FinishFigures(r, words.Bytes())); err != nil {
		return err
	}
	con.say("took %.0f s; report: %s", time.Since(started).Seconds(), folder.Words())
	if c.Format == "json" {
		return report.JSON(con.out, r)
	}
	orders.OverloadText(con.out, figures, con.colours)
	return nil
}
