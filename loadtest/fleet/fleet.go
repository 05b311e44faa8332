package fleet

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
	"orderd/loadtest/load"
)

// A Fleet is a set of servers and the replicas on them. The stock levels and
// the locks are on Redis servers of their own: losing one must not look like
// losing the other.
type Fleet struct {
	stack     *stack.Stack
	orderd    string // the binary
	postgres  *stack.Postgres
	stock     *stack.Redis
	locks     *stack.Redis
	masters   [redlockMasters]*stack.Redis // of mode redlock
	zooKeeper *stack.ZooKeeper
	db        *pgx.Conn
}

// redlockMasters is how many masters RedLock asks: it needs most of them.
const redlockMasters = 5

// Open starts the servers, all at once, and brings the database's schema up
// to date. orderd is the binary; it is built if that is empty. The caller
// closes the fleet.
func Open(ctx context.Context, orderd string) (_ *Fleet, err error) {
	if err := stack.Missing(stack.Find()); err != nil {
		return nil, err
	}
	s, err := stack.Open()
	if err != nil {
		return nil, err
	}
	f := &Fleet{stack: s, orderd: orderd}
	defer func() {
		if err != nil {
			_ = f.Close() // what went wrong before matters more
		}
	}()

	starting, ctx2 := errgroup.WithContext(ctx)
	starting.Go(func() (err error) { f.postgres, err = s.Postgres(ctx2, "postgres"); return })
	starting.Go(func() (err error) { f.stock, err = s.Redis(ctx2, "redis-stock"); return })
	starting.Go(func() (err error) { f.locks, err = s.Redis(ctx2, "redis-locks"); return })
	for i := range f.masters {
		starting.Go(func() (err error) {
			f.masters[i], err = s.Redis(ctx2, fmt.Sprintf("redis-master-%d", i+1))
			return err
		})
	}
	starting.Go(func() (err error) { f.zooKeeper, err = s.ZooKeeper(ctx2, "zookeeper"); return })
	starting.Go(func() (err error) {
		if orderd == "" {
			f.orderd, err = build(ctx2, s.Dir())
			return err
		}
		f.orderd, err = filepath.Abs(orderd)
		return err
	})
	if err := starting.Wait(); err != nil {
		return nil, err
	}
	if err := f.Migrate(ctx, f.postgres.URL); err != nil {
		return nil, err
	}
	if f.db, err = pgx.Connect(ctx, f.postgres.URL); err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	return f, nil
}

// Migrate brings the schema of a database up to date.
func (f *Fleet) Migrate(ctx context.Context, databaseURL string) error {
	out, err := exec.CommandContext(ctx, f.orderd, "migrate", "--database-url", databaseURL).CombinedOutput()
	if err != nil {
		return fmt.Errorf("orderd migrate: %w\n%s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Run starts a program beside the replicas. It ends with the fleet, if nobody
// stops it before.
func (f *Fleet) Run(ctx context.Context, c stack.Command) (*stack.Process, error) {
	return f.stack.Start(ctx, c)
}

// PostgresTool is the path of one of the programs that came with the server.
func (f *Fleet) PostgresTool(name string) string { return f.postgres.Tool(name) }

// Close ends the replicas and the servers and removes their files.
func (f *Fleet) Close() error {
	if f.db != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = f.db.Close(ctx) // the server goes next
	}
	return f.stack.Close()
}

// DatabaseURL is where psql finds the orders.
func (f *Fleet) DatabaseURL() string { return f.postgres.URL }

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

// SaveLogs copies the logs of all that ran into dir.
func (f *Fleet) SaveLogs(dir string) error {
	logs := filepath.Join(f.stack.Dir(), "logs")
	if err := os.CopyFS(dir, os.DirFS(logs)); err != nil {
		return fmt.Errorf("save the logs: %w", err)
	}
	return nil
}
