package fleet

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
	"orderd/loadtest/load"
)

// A Fleet is a set of servers and the replicas that use them. Stock levels and locks are on
// separate Redis servers, so that losing one does not look like losing the other.
type Fleet struct {
	Servers
	stack  *stack.Stack // a fork's is that of its fleet
	fork   bool
	orderd string // the binary
	url    string // of the database
	prefix string // of the names of all that it starts
	db     *pgx.Conn
	mine   []*stack.Process // of a fork: the servers that it does not share
}

// Servers are the servers of a fleet.
type Servers struct {
	Postgres  *stack.Postgres
	Stock     *stack.Redis
	Locks     *stack.Redis
	Masters   [redlockMasters]*stack.Redis // of mode redlock
	ZooKeeper *stack.ZooKeeper

	// Instead of Locks and ZooKeeper, in a fork that has them.
	Sentinel *stack.Sentinel
	Cluster  *stack.RedisCluster
	Ensemble *stack.ZooKeeperEnsemble
	// Clock is the clock of Locks or of the third master, in a fork that has one.
	Clock *stack.Clock
}

// redlockMasters is how many masters RedLock uses: it needs a majority of them.
const redlockMasters = 5

// Open starts the servers in parallel and brings the database's schema up to date. orderd is
// the path of the binary, which is built if that is empty. The caller closes the fleet.
func Open(ctx context.Context, orderd string) (_ *Fleet, err error) {
	if err := stack.Missing(stack.Find()); err != nil {
		return nil, err
	}
	if orderd != "" {
		if orderd, err = filepath.Abs(orderd); err != nil {
			return nil, fmt.Errorf("--orderd: %w", err)
		}
		if _, err := exec.LookPath(orderd); err != nil {
			return nil, fmt.Errorf("--orderd: %w", err)
		}
	}
	s, err := stack.Open()
	if err != nil {
		return nil, err
	}
	f := &Fleet{stack: s, orderd: orderd}
	defer func() {
		if err != nil {
			_ = f.Close() // the first error matters more
		}
	}()

	starting, ctx2 := errgroup.WithContext(ctx)
	starting.Go(func() (err error) { f.Postgres, err = s.Postgres(ctx2, "postgres"); return })
	starting.Go(func() (err error) { f.Stock, err = s.Redis(ctx2, "redis-stock"); return })
	starting.Go(func() (err error) { f.Locks, err = s.Redis(ctx2, "redis-locks"); return })
	for i := range f.Masters {
		starting.Go(func() (err error) {
			f.Masters[i], err = s.Redis(ctx2, fmt.Sprintf("redis-master-%d", i+1))
			return err
		})
	}
	starting.Go(func() (err error) { f.ZooKeeper, err = s.ZooKeeper(ctx2, "zookeeper"); return })
	if orderd == "" {
		starting.Go(func() (err error) { f.orderd, err = build(ctx2, s.Dir()); return })
	}
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	if err := f.prepare(ctx, f.Postgres.URL); err != nil {
		return nil, err
	}
	return f, nil
}

// prepare brings the schema of a database up to date and connects to the database.
func (f *Fleet) prepare(ctx context.Context, url string) error {
	f.url = url
	if err := f.Migrate(ctx, url); err != nil {
		return err
	}
	return f.Reconnect(ctx)
}

// Reconnect renews the laboratory's own connection to the database, as is needed after a
// restart of Postgres.
func (f *Fleet) Reconnect(ctx context.Context) error {
	if f.db != nil {
		_ = f.db.Close(ctx) // it may be broken
	}
	db, err := pgx.Connect(ctx, f.url)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	f.db = db
	return nil
}

// Migrate brings the schema of a database up to date.
func (f *Fleet) Migrate(ctx context.Context, databaseURL string) error {
	out, err := exec.CommandContext(ctx, f.orderd, "migrate", "--database-url", databaseURL).CombinedOutput()
	if err != nil {
		return fmt.Errorf("orderd migrate: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// NewKey makes an API key for a client, and the line of --api-keys that admits it.
func (f *Fleet) NewKey(ctx context.Context, client, role string) (key, line string, err error) {
	out, err := exec.CommandContext(ctx, f.orderd, "keys", "new", "--client", client, "--role", role).Output()
	if err != nil {
		return "", "", fmt.Errorf("orderd keys new: %w", err)
	}
	key, line, _ = strings.Cut(strings.TrimSpace(string(out)), "\n")
	return key, line, nil
}

// Run starts a program beside the replicas. It ends with the fleet at the latest.
func (f *Fleet) Run(ctx context.Context, c stack.Command) (*stack.Process, error) {
	return f.stack.Start(ctx, c)
}

// Close ends the replicas and the servers and removes their files. Of a fork, it ends the servers
// that it does not share.
func (f *Fleet) Close() error {
	if f.db != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.db.Close(ctx) // the server is ended next
	}
	if !f.fork {
		return f.stack.Close()
	}
	var errs []error
	for _, p := range f.mine {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}

// DatabaseURL is the URL of the database with the orders.
func (f *Fleet) DatabaseURL() string { return f.url }

// Dir is a folder that is removed when the fleet ends, in whatever way.
func (f *Fleet) Dir() string { return f.stack.Dir() }

// Ledger reads a SKU's movements in version order from the database.
func (f *Fleet) Ledger(ctx context.Context, sku string) ([]load.Movement, error) {
	return ReadLedger(ctx, f.db, sku)
}

// ReadLedger reads a SKU's movements in version order over a connection.
func ReadLedger(ctx context.Context, db *pgx.Conn, sku string) ([]load.Movement, error) {
	rows, err := db.Query(ctx, `
		SELECT version, delta, reason, coalesce(order_id::text, ''), on_hand, token, replica
		FROM movements WHERE sku = $1 ORDER BY version`, sku)
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	ledger, err := pgx.CollectRows(rows, pgx.RowToStructByPos[load.Movement])
	if err != nil {
		return nil, fmt.Errorf("read the ledger: %w", err)
	}
	return ledger, nil
}

// SaveLogs copies the logs of all processes into dir.
func (f *Fleet) SaveLogs(dir string) error { return f.stack.SaveLogs(dir) }
