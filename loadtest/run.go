package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// readyLimit is how long run waits for the deployment to be ready; ledgerLimit is how long it
// may take to read its ledger.
const (
	readyLimit  = 30 * time.Second
	ledgerLimit = time.Minute
)

// apiKeyVariable has the key of a deployment that needs one. It is no flag, because everybody
// on the machine can read those.
const apiKeyVariable = "LOADTEST_API_KEY" //nolint:gosec // G101: the name of one, and no credential

type runCommand struct {
	Target   []string           `required:"" env:"LOADTEST_TARGET" placeholder:"URL" help:"Base URLs of the replicas, or of the balancer in front of them. If they want API keys, LOADTEST_API_KEY has an admin's."`
	SKU      string             `name:"sku" placeholder:"SKU" help:"SKU to sell. Default: a new one."`
	Guard    string             `default:"predicate" enum:"${guards}" help:"What Postgres itself checks: ${enum}. All but predicate need orderd to run with --allow-unguarded."`
	Stock    int64              `default:"200" help:"Units to set the SKU to."`
	Clients  int                `default:"64" help:"Clients at a time, each with one order under way."`
	Orders   int                `default:"1000" help:"Orders altogether."`
	Quantity int64              `default:"1" help:"Units in each order."`
	Expect   report.Expectation `default:"hold" enum:"hold,break,either" help:"What should happen: ${enum}."`
	Timeout  time.Duration      `default:"5m" help:"How long the drive may take."`
	resultFlags
}

var skuPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Validate finds values that make no sense. Errors name the flag.
func (c *runCommand) Validate() error {
	for _, target := range c.Target {
		u, err := url.Parse(target)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || !isPort(u.Port()) {
			return fmt.Errorf("--target: %q is not a URL such as http://127.0.0.1:8080", target)
		}
	}
	switch {
	case len(c.Target) == 0:
		return errors.New("--target: needs one or more")
	case c.SKU != "" && !skuPattern.MatchString(c.SKU):
		return errors.New("--sku: letters, digits, '.', '_' and '-', at most 64 of them")
	case c.Stock < 1 || c.Stock > 1e12:
		return errors.New("--stock: must be 1 to 10^12")
	case c.Clients < 1 || c.Clients > 4096:
		return errors.New("--clients: must be 1 to 4096")
	case c.Quantity < 1 || c.Quantity > 10_000:
		return errors.New("--quantity: must be 1 to 10000")
	case c.Orders < 1 || c.Orders > 10_000_000:
		return errors.New("--orders: must be 1 to 10000000")
	case c.Timeout <= 0:
		return errors.New("--timeout: must be above 0s")
	}
	return nil
}

// isPort reports whether a URL's port is one, or absent.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}

// Run drives the deployment and audits it.
func (c *runCommand) Run(con *console, verdict *audit.Verdict) error {
	started := time.Now()
	cell := report.Cell{
		Lock: "as deployed", Guard: c.Guard, Clients: c.Clients, Stock: c.Stock, SKU: c.SKU, Expectation: c.Expect,
	}
	if cell.SKU == "" {
		cell.SKU = "run-" + strconv.FormatInt(started.UnixMilli(), 36)
	}
	targets := make([]string, len(c.Target))
	for i, t := range c.Target {
		targets[i] = strings.TrimRight(t, "/")
	}
	folder, err := c.newFolder("run", started)
	if err != nil {
		return err
	}
	client := load.NewClient(targets, c.Clients)
	defer client.Close()
	if key := os.Getenv(apiKeyVariable); key != "" {
		client.Authorize(key)
	}
	records, err := c.drive(con, client, &cell)
	if err != nil {
		return errors.Join(err, folder.Discard())
	}

	r := con.newResult("run", started)
	r.Cells = []report.Cell{cell}
	r.Config = map[string]string{
		"orders": strconv.Itoa(c.Orders), "stock": strconv.FormatInt(c.Stock, 10), "clients": strconv.Itoa(c.Clients),
		"quantity": strconv.FormatInt(c.Quantity, 10), "target": strings.Join(targets, ","), "sku": cell.SKU, "load": "closed loop",
	}
	if err := c.finish(con, folder, r, []audit.Records{records}, verdict); err != nil {
		return err
	}
	return con.pointTo(c.Format, folder)
}

// drive sets the stock, sends the orders and reads the ledger of the drive.
func (c *runCommand) drive(con *console, client *load.Client, cell *report.Cell) (audit.Records, error) {
	waiting, cancel := context.WithTimeout(con.ctx, readyLimit)
	defer cancel()
	con.say("waiting for %s, up to %s", strings.Join(c.Target, ", "), readyLimit)
	if err := client.AwaitReady(waiting); err != nil {
		return audit.Records{}, err
	}
	ctx, cancel := context.WithTimeout(con.ctx, c.Timeout)
	defer cancel()
	err := client.SetStock(ctx, cell.SKU, c.Stock, c.Guard)
	switch {
	case ctx.Err() != nil:
		return audit.Records{}, fmt.Errorf("--timeout: %s was not enough to set the stock: %w", c.Timeout, err)
	case err != nil:
		return audit.Records{}, fmt.Errorf("set the stock, which takes an admin's key in %s where keys are wanted: %w", apiKeyVariable, err)
	}
	_, start, err := client.Level(ctx, cell.SKU)
	if err != nil {
		return audit.Records{}, err
	}
	// A SKU that was sold out before may be reported so for a moment more.
	load.Sleep(ctx, 2*audit.TruthAge)

	bar := con.track(c.Orders)
	bar.begin("%s, guard %s, %d at a time", cell.SKU, cell.Guard, cell.Clients)
	r := audit.Records{Clients: cell.Clients, Starts: []audit.Start{{OnHand: c.Stock}}}
	drive := load.Drive{SKU: cell.SKU, Clients: c.Clients, Orders: c.Orders, Quantity: c.Quantity, Progress: bar.step}
	var took time.Duration
	r.Ops, took = drive.Run(ctx, client)
	bar.stop()
	if ctx.Err() != nil { // the last orders may have been cut off, too
		return r, fmt.Errorf("%d of %d orders sent in %s (--timeout): %w", len(r.Ops), c.Orders, c.Timeout, context.Cause(ctx))
	}
	reading, cancel := context.WithTimeout(con.ctx, ledgerLimit)
	defer cancel()
	var row audit.Level
	if row.OnHand, row.Version, err = client.Level(reading, cell.SKU); err != nil {
		return r, err
	}
	r.Levels = []audit.Level{row}
	// From the movement that the drive started from.
	if r.Ledger, err = client.Ledger(reading, cell.SKU, start-1); err != nil {
		return r, err
	}
	cell.Replicas = replicasSeen(r.Ops)
	cell.Judge(r, took)
	bar.end("%s", cell.Words())
	return r, nil
}

func replicasSeen(ops []load.Op) int {
	seen := map[string]bool{}
	for _, op := range ops {
		if op.Replica != "" {
			seen[op.Replica] = true
		}
	}
	return len(seen)
}
