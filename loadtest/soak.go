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

// soakOrders bounds the history, which is kept in memory until it has been judged.
const soakOrders = 1_000_000

type soakCommand struct {
	Lasts time.Duration `default:"10m" help:"How long, in equal parts for the modes."`
	Modes []string      `default:"redis,zookeeper" enum:"${modes}" help:"Lock modes: ${enum}."`
	Rate  float64       `default:"300" help:"Requests a second, about. 300 for 10 minutes are as many as 25 for 2 hours."`
	Seed  uint64        `default:"1" help:"Begins the sequences of what is asked for and of what is broken."`
	labFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *soakCommand) Validate() error {
	c.Modes = distinct(c.Modes)
	switch {
	case len(c.Modes) == 0:
		return errors.New("--modes: needs one or more")
	case c.Lasts < time.Second*time.Duration(len(c.Modes)):
		return errors.New("--lasts: must be at least a second for each mode")
	case !(c.Rate >= 1) || c.Rate*c.Lasts.Seconds() > soakOrders:
		return fmt.Errorf("--rate: must be at least 1, and no more than %d requests in all", soakOrders)
	}
	return nil
}

// Run soaks and writes the result.
func (c *soakCommand) Run(con *console, verdict *audit.Verdict) error {
	if err := stack.Missing(append(stack.Find(), stack.FindHAProxy())); err != nil {
		return err
	}
	return c.run(con, report.SoakCommand, verdict, func(f *fleet.Fleet, r *report.Result) (records []audit.Records, err error) {
		r.Seed = c.Seed
		r.Config = map[string]string{
			"lasts": c.Lasts.String(), "rate": strconv.FormatFloat(c.Rate, 'g', -1, 64),
			"load":       fmt.Sprintf("about %g requests a second to three replicas, any request to any of them", c.Rate),
			"durability": "fsync and synchronous_commit on",
		}
		r.Cells, records, err = soak.Run(con.ctx, f, soak.Plan{Modes: c.Modes, Lasts: c.Lasts, Rate: c.Rate, Seed: c.Seed, Say: con.say})
		return records, err
	})
}
