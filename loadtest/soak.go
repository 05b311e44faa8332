package main

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/report"
	"orderd/loadtest/soak"
)

// soakOrders bounds what is kept in memory until it has been judged.
const soakOrders = 1_000_000

type soakCommand struct {
	Lasts   time.Duration `default:"10m" help:"How long, in equal parts for the modes."`
	Modes   []string      `default:"redis,zookeeper" enum:"${modes}" help:"Lock modes: ${enum}."`
	Rate    float64       `default:"300" help:"Requests a second, about. 300 for 10 minutes are as many as 25 for 2 hours."`
	Seed    uint64        `default:"1" help:"Begins the sequences of what is asked for and of what is broken."`
	Orderd  string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	Results string        `default:"results" placeholder:"DIR" help:"Folder for the files of the run."`
	outputFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *soakCommand) Validate() error {
	switch {
	case c.Lasts < time.Second*time.Duration(len(c.Modes)):
		return errors.New("--lasts: must be at least a second for each mode")
	case c.Rate < 1 || c.Rate*c.Lasts.Seconds() > soakOrders:
		return fmt.Errorf("--rate: must be at least 1, and no more than %d requests in all", soakOrders)
	}
	return nil
}

// Run soaks and writes the result.
func (c *soakCommand) Run(con *console, verdict *audit.Verdict) error {
	if err := stack.Missing(append(stack.Find(), stack.FindHAProxy())); err != nil {
		return err
	}
	started := time.Now()
	con.say("starting PostgreSQL, Redis (two) and ZooKeeper")
	f, err := fleet.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer f.Close()
	r := c.result(con, started)
	var records []audit.Records
	r.Cells, records, err = soak.Run(con.ctx, f, soak.Plan{Modes: c.Modes, Lasts: c.Lasts, Rate: c.Rate, Seed: c.Seed, Say: con.say})
	if err := con.ctx.Err(); err != nil {
		return err // nobody wants the logs of what they ended themselves
	}
	if err != nil {
		return errors.Join(err, keepLogs(c.Results, "soak-failed", started, f.SaveLogs))
	}
	r.Conclude()
	*verdict = r.Verdict
	folder, err := report.NewFolder(c.Results, report.SoakCommand, started)
	if err != nil {
		return err
	}
	if err := errors.Join(f.SaveLogs(folder.Logs()), folder.Finish(r, records)); err != nil {
		return err
	}
	if err := c.print(con, r); err != nil {
		return err
	}
	con.say("took %.0f s", time.Since(started).Seconds())
	return con.pointTo(c.Format, folder)
}

func (c *soakCommand) result(con *console, started time.Time) report.Result {
	return report.Result{
		SchemaVersion: report.SchemaVersion, Command: report.SoakCommand, Arguments: con.arguments, Started: started.UTC(),
		Seed: c.Seed, Host: report.ThisHost(), Versions: versions(),
		Config: map[string]string{
			"lasts": c.Lasts.String(), "rate": strconv.FormatFloat(c.Rate, 'g', -1, 64),
			"load":       fmt.Sprintf("about %g requests a second to three replicas, any request to any of them", c.Rate),
			"durability": "fsync and synchronous_commit on",
		},
	}
}
