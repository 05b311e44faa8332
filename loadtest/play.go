package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"orderd/loadtest/fleet"
)

type playCommand struct {
	Mode     string        `default:"redis" enum:"${modes}" help:"Lock mode: ${enum}."`
	Replicas int           `default:"3" help:"Replicas."`
	Port     int           `default:"8080" help:"Port of the first replica; the others take the next ones."`
	Work     time.Duration `default:"0s" help:"Work between the check and the write of each order, inside the lock."`
	LockWait time.Duration `default:"2s" help:"How long an order waits for the lock."`
	BatchMax int           `default:"64" help:"Most orders placed with one lease."`
	Orderd   string        `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
}

// Validate finds values that make no sense. Errors name the flag.
func (c *playCommand) Validate() error {
	switch {
	case c.Replicas < 1 || c.Replicas > 16:
		return fmt.Errorf("--replicas: must be 1 to 16")
	case c.Port < 1 || c.Port+c.Replicas > 65536:
		return fmt.Errorf("--port: must leave room for %d ports", c.Replicas)
	}
	return checkTurn(c.Work, c.LockWait, c.BatchMax)
}

// Run starts everything and waits for Ctrl-C.
func (c *playCommand) Run(con *console) error {
	ports := make([]int, c.Replicas)
	for i := range ports {
		ports[i] = c.Port + i
		// Whatever answers there would be taken for the replica, such as those of another play.
		l, err := (&net.ListenConfig{}).Listen(con.ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[i])))
		if err != nil {
			return fmt.Errorf("%w: --port: %w", errUsage, err)
		}
		_ = l.Close()
	}
	con.say("starting PostgreSQL, Redis (two) and ZooKeeper")
	f, err := fleet.Open(con.ctx, c.Orderd)
	if err != nil {
		return err
	}
	defer f.Close()
	replicas, err := f.Start(con.ctx, fleet.Setup{
		Mode: c.Mode, Replicas: c.Replicas, Work: c.Work, LockWait: c.LockWait, BatchMax: c.BatchMax, Ports: ports,
	})
	if err != nil {
		return err
	}
	first, urls := replicas.URLs[0], strings.Join(replicas.URLs, ",")
	fmt.Fprintf(con.out, `%d replicas with lock mode %s: %s
Postgres: %s
Documentation: %s/docs/

  curl -X PUT -H 'Content-Type: application/json' %s/v1/stock/A-1 -d '{"on_hand":100}'
  curl -H 'Content-Type: application/json' %s/v1/orders -d '{"lines":[{"sku":"A-1","quantity":1}]}'
  bin/loadtest run --target %s --stock 200 --orders 1000

Ctrl-C ends it all and keeps nothing.
`, c.Replicas, c.Mode, urls, f.DatabaseURL(), first, first, first, urls)
	<-con.ctx.Done()
	// Ctrl-C is the regular end of this command.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return replicas.Stop(ctx)
}
