package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"

	"orderd/internal/order"
	"orderd/internal/stock"
)

// reconcileCommand tells the operator what is wrong. It repairs nothing: orderd serve repairs
// by itself what it can.
type reconcileCommand struct {
	serverFlags
	RedisURL string `env:"REDIS_URL" placeholder:"URL" help:"Redis for the stock, as orderd serve has it. Without it the levels in Redis are not looked at."`
	Check    bool   `required:"" help:"Look, and change nothing."`
}

// findingsShown is how many findings of a kind are listed. All are counted.
const findingsShown = 100

var (
	// errFindings says that the check found something wrong.
	errFindings = errors.New("inconsistencies were found")
	// errNotChecked says that the check could not be completed.
	errNotChecked = errors.New("the check could not be completed")
)

// Validate rejects settings that cannot work together. Errors name the flag.
func (c *reconcileCommand) Validate() error {
	if err := c.checkDatabase(); err != nil {
		return err
	}
	if c.RedisURL == "" {
		return nil
	}
	return c.checkRedis([]flagURL{{"--redis-url", c.RedisURL}})
}

// Run lists what is wrong, and how much was checked. Its errors are errFindings and
// errNotChecked.
func (c *reconcileCommand) Run(ctx context.Context, s streams) error {
	list := &findings{out: s.out, counts: map[string]int{}}
	books, err := c.checkBooks(ctx, list)
	if err == nil && c.RedisURL != "" {
		err = c.checkRedisLevels(ctx, list)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errNotChecked, err)
	}
	fmt.Fprintf(s.out, "checked: %d SKUs, %d movements, %d orders", books.SKUs, books.Movements, books.Orders)
	if c.RedisURL != "" {
		fmt.Fprintf(s.out, ", Redis (%d levels are not in it, which does no harm)", list.missing)
	}
	fmt.Fprintf(s.out, "\nfound: levels %d, ledger %d, orders %d, redis %d\n",
		list.counts["levels"], list.counts["ledger"], list.counts["orders"], list.counts["redis"])
	if len(list.counts) > 0 {
		return errFindings
	}
	return nil
}

func (c *reconcileCommand) checkBooks(ctx context.Context, list *findings) (order.Books, error) {
	config, err := parseDatabase(c.DatabaseURL)
	if err != nil {
		return order.Books{}, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return order.Books{}, fmt.Errorf("--database-url: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return order.CheckBooks(ctx, conn, list.add)
}

func (c *reconcileCommand) checkRedisLevels(ctx context.Context, list *findings) error {
	db, err := openDatabase(ctx, c.DatabaseURL, "reconcile", nil)
	if err != nil {
		return err
	}
	defer db.Close()
	client, err := c.openStockRedis(c.RedisURL)
	if err != nil {
		return err
	}
	defer client.Close()
	store := stock.NewStore(db, "reconcile")
	return stock.Drifts(ctx, store, stock.NewCache(client, store), func(drifts []stock.Drift) error {
		for _, d := range drifts {
			if d.Direction == stock.Missing {
				list.missing++
				continue
			}
			err := list.add(order.Finding{Book: "redis", Subject: d.Postgres.SKU, Problem: fmt.Sprintf(
				"%s: Redis has %d at version %d, guard %s; Postgres %d at version %d, guard %s", d.Direction,
				d.Redis.OnHand, d.Redis.Version, d.Redis.Guard, d.Postgres.OnHand, d.Postgres.Version, d.Postgres.Guard)})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// findings are listed as they come, up to findingsShown of each kind, and all counted.
type findings struct {
	out     io.Writer
	counts  map[string]int
	missing int // in Redis
}

func (f *findings) add(found order.Finding) error {
	f.counts[found.Book]++
	switch n := f.counts[found.Book]; {
	case n <= findingsShown:
		_, err := fmt.Fprintf(f.out, "%-6s  %s: %s\n", found.Book, found.Subject, found.Problem)
		return err
	case n == findingsShown+1:
		_, err := fmt.Fprintf(f.out, "%-6s  … and more\n", found.Book)
		return err
	}
	return nil
}
