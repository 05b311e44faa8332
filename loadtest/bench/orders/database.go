package orders

import (
	"context"
	_ "embed" // for the statements
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
)

var (
	//go:embed preload.sql
	preload string
	//go:embed shelves.sql
	shelves string
)

const (
	// pastSales is how many sales every database already has.
	pastSales = 20_000
	pastSKUs  = 100
	// plenty is a level that no measurement sells out.
	plenty = 1_000_000_000
)

// A database is one of the lab's. Every measurement has a fresh one, so that what earlier
// ones left behind does not slow it down.
type database struct {
	name, url string
}

// create makes a database from a template or, if template is empty, with orderd's schema and
// a past of that many sales.
func (l *Lab) create(ctx context.Context, name, template string, sales int) (database, error) {
	if template != "" {
		// The server copies the files, which is faster than writing each page to its log
		// (WAL). Before version 15 it knew no other way.
		copied := ""
		if strings.Compare(l.admin.PgConn().ParameterStatus("server_version"), "15") >= 0 {
			copied = " STRATEGY file_copy"
		}
		_, err := l.admin.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s%s", name, template, copied))
		return l.named(name), problem("create the database", err)
	}
	if _, err := l.admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		return database{}, fmt.Errorf("create the database: %w", err)
	}
	d := l.named(name)
	if err := l.fleet.Migrate(ctx, d.url); err != nil {
		return d, err
	}
	return d, d.with(ctx, func(conn *pgx.Conn) error {
		for _, statements := range []string{
			"SET bench.sales = " + strconv.Itoa(sales) + "; SET bench.skus = " + strconv.Itoa(pastSKUs), preload, "VACUUM ANALYZE", "CHECKPOINT",
		} {
			// Several statements at once need the simple protocol.
			if _, err := conn.PgConn().Exec(ctx, statements).ReadAll(); err != nil {
				return fmt.Errorf("fill the database: %w", err)
			}
		}
		return nil
	})
}

func (l *Lab) named(name string) database {
	u, err := url.Parse(l.fleet.DatabaseURL())
	if err != nil {
		panic(err) // the fleet has connected with it
	}
	u.Path = "/" + name
	return database{name, u.String()}
}

// drop removes a database, even if there are connections to it.
func (l *Lab) drop(ctx context.Context, d database) error {
	_, err := l.admin.Exec(ctx, "DROP DATABASE IF EXISTS "+d.name+" WITH (FORCE)")
	return problem("drop the database", err)
}

// with calls do with a connection to the database.
func (d database) with(ctx context.Context, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, d.url)
	if err != nil {
		return fmt.Errorf("connect to the database: %w", err)
	}
	defer conn.Close(ctx)
	return do(conn)
}

// stock creates n SKUs with that many units each, and returns their names.
func (d database) stock(ctx context.Context, prefix string, n int, units int64) ([]string, error) {
	skus := make([]string, n)
	for i := range skus {
		skus[i] = prefix + strconv.Itoa(i+1)
	}
	return skus, d.with(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, shelves, prefix, n, units)
		return problem("put the SKUs on the shelves", err)
	})
}

// ledgers reads the movements of each SKU.
func (d database) ledgers(ctx context.Context, skus []string) ([][]load.Movement, error) {
	all := make([][]load.Movement, len(skus))
	return all, d.with(ctx, func(conn *pgx.Conn) error {
		for i, sku := range skus {
			var err error
			if all[i], err = fleet.ReadLedger(ctx, conn, sku); err != nil {
				return err
			}
		}
		return nil
	})
}

func problem(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// fill makes the large database.
func (l *Lab) fill(ctx context.Context, sales int) (err error) {
	l.large, err = l.create(ctx, "bench_large", "", sales)
	return err
}
