// Package orders measures how fast orders are placed, compared with pgbench on the same
// schema and servers, in the same run. Every figure of orderd's is audited: an order that is
// not in the ledger does not count.
package orders

import (
	"context"
	"fmt"
	"os"
	"strconv"

	"github.com/jackc/pgx/v5"

	"orderd/loadtest/fleet"
)

// A Lab is the servers on which orders are measured.
type Lab struct {
	fleet *fleet.Fleet
	admin *pgx.Conn
	dir   string
	large database
	shop  shop
	made  int // databases and prefixes of SKUs so far
}

const template = "bench_template"

// Open starts the servers and fills the database from which all others are copied. orderd is
// the path of the binary, which is built if that is empty. The caller closes the lab.
func Open(ctx context.Context, orderd string) (_ *Lab, err error) {
	l := &Lab{}
	if l.fleet, err = fleet.Open(ctx, orderd); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = l.Close(ctx) // the first error matters more
		}
	}()
	// In the stack's folder, which is removed however this process ends.
	if l.dir, err = os.MkdirTemp(l.fleet.Dir(), "bench-"); err != nil {
		return nil, err
	}
	if l.shop, err = newShop(ctx, l.fleet, l.dir); err != nil {
		return nil, err
	}
	if l.admin, err = pgx.Connect(ctx, l.fleet.DatabaseURL()); err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	_, err = l.create(ctx, template, "", pastSales)
	return l, err
}

// fresh makes a database that has past sales.
func (l *Lab) fresh(ctx context.Context) (database, error) {
	return l.create(ctx, l.next("bench_"), template, 0)
}

// next returns a name that was not used before.
func (l *Lab) next(prefix string) string {
	l.made++
	return prefix + strconv.Itoa(l.made)
}

// Close ends the servers and removes their files.
func (l *Lab) Close(ctx context.Context) error {
	if l.admin != nil {
		_ = l.admin.Close(ctx) // the server is ended next
	}
	return l.fleet.Close()
}

// Dir is the folder below which the servers keep their data.
func (l *Lab) Dir() string { return l.fleet.Dir() }

// SaveLogs copies the logs of all processes into dir.
func (l *Lab) SaveLogs(dir string) error { return l.fleet.SaveLogs(dir) }
