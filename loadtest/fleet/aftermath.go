package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
)

// lookEvery is how often Aftermath looks whether all is quiet.
const lookEvery = 20 * time.Millisecond

// Aftermath adds to the records what a drive of the SKUs left in the servers: the orders, the
// levels, and what is still held. Until the limit it waits for Redis to have the levels of
// Postgres, for nothing to be held, and for servers to come back.
func (f *Fleet) Aftermath(ctx context.Context, limit time.Duration, r *audit.Records, skus ...string) error {
	wrong := func(l audit.Level) bool { return !l.Right() }
	for end := time.Now().Add(limit); ; {
		levels, left, err := f.look(ctx, skus)
		over := time.Now().After(end)
		switch {
		case err != nil && over:
			return err
		case err == nil && (over || !slices.ContainsFunc(levels, wrong) && len(left.Held) == 0):
			r.Levels, r.Left = levels, &left
			r.Placed, err = f.Placed(ctx, skus...)
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lookEvery):
		}
	}
}

// lookLimit bounds one look at the servers, one of which may not respond.
const lookLimit = 5 * time.Second

func (f *Fleet) look(ctx context.Context, skus []string) (levels []audit.Level, left audit.Left, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	for _, sku := range skus {
		level, err := f.Level(ctx, sku)
		if err != nil {
			return nil, left, err
		}
		if len(skus) > 1 {
			level.SKU = sku
		}
		levels = append(levels, level)
	}
	left, err = f.left(ctx, skus)
	return levels, left, err
}

// Level reads the SKU's level in Postgres and its copy in Redis. It does not name the SKU, as
// in every drive of a single one.
func (f *Fleet) Level(ctx context.Context, sku string) (audit.Level, error) {
	var l audit.Level
	err := f.db.QueryRow(ctx, "SELECT on_hand, version FROM stock WHERE sku = $1", sku).Scan(&l.OnHand, &l.Version)
	if err != nil {
		return l, fmt.Errorf("read the level of %s: %w", sku, err)
	}
	text, err := f.Stock.Do(ctx, "EVAL", quickLevel, 1, "orderd:stock:"+sku)
	if err != nil {
		return l, fmt.Errorf("read the level of %s in Redis: %w", sku, err)
	}
	var quick audit.Quick
	switch n, err := fmt.Sscan(text, &quick.OnHand, &quick.Version); {
	case n == 0: // Redis has no level
		return l, nil
	case err != nil:
		return l, fmt.Errorf("the level of %s in Redis is %q: %w", sku, text, err)
	}
	l.Quick = &quick
	return l, nil
}

// quickLevel returns a level and its version, read atomically.
const quickLevel = "local l = redis.call('HMGET', KEYS[1], 'level', 'version') return (l[1] or '') .. ' ' .. (l[2] or '')"

// Placed reads the orders of SKUs, and all those that have no movements.
func (f *Fleet) Placed(ctx context.Context, skus ...string) ([]audit.Placed, error) {
	rows, err := f.db.Query(ctx, `
		SELECT id::text, client, coalesce(idempotency_key, '') FROM orders o
		WHERE EXISTS (SELECT FROM movements m WHERE m.order_id = o.id AND m.sku = ANY ($1))
			OR NOT EXISTS (SELECT FROM movements m WHERE m.order_id = o.id)
		ORDER BY id`, skus)
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	placed, err := pgx.CollectRows(rows, pgx.RowToStructByPos[audit.Placed])
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	return placed, nil
}

// left finds what is still held of the SKUs in the servers that are running. It looks for them
// within the names of keys and nodes, so that it need not know how orderd builds those.
func (f *Fleet) left(ctx context.Context, skus []string) (audit.Left, error) {
	l := audit.Left{Looked: []string{"Postgres"}}
	held, err := f.sessions(ctx)
	if err != nil {
		return l, err
	}
	l.Held = held
	look := func(where *stack.Process, names func() ([]string, error)) error {
		select {
		case <-where.Done():
			return nil
		default:
		}
		found, err := names()
		if err != nil {
			return fmt.Errorf("look into %s: %w", where.Name(), err)
		}
		l.Looked = append(l.Looked, strings.TrimPrefix(where.Name(), f.prefix))
		for _, name := range found {
			if slices.ContainsFunc(skus, func(sku string) bool { return strings.Contains(name, sku) }) {
				l.Held = append(l.Held, name)
			}
		}
		return nil
	}
	for _, r := range f.lockRedis() {
		if err := look(r.Process, func() ([]string, error) { return keys(ctx, r) }); err != nil {
			return l, err
		}
	}
	for _, z := range f.zooKeepers() {
		if err := look(z.Process, func() ([]string, error) { return z.Ephemerals(ctx) }); err != nil {
			return l, err
		}
	}
	return l, nil
}

// keys lists all keys of a server. Their names have no spaces.
func keys(ctx context.Context, r *stack.Redis) ([]string, error) {
	text, err := r.Do(ctx, "KEYS", "*")
	return strings.Fields(strings.Trim(text, "[]")), err
}

// sessions lists the connections to the database that are idle in a transaction, and those of
// replicas that hold an advisory lock.
func (f *Fleet) sessions(ctx context.Context) ([]string, error) {
	rows, err := f.db.Query(ctx, `
		SELECT application_name || ' is ' || state FROM pg_stat_activity
		WHERE datname = current_database() AND state LIKE 'idle in transaction%'
		UNION ALL
		SELECT application_name || ' holds an advisory lock' FROM pg_stat_activity a
		WHERE datname = current_database() AND application_name LIKE 'orderd lock %'
			AND EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'advisory' AND l.granted)`)
	if err != nil {
		return nil, fmt.Errorf("look into Postgres: %w", err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look into Postgres: %w", err)
	}
	return held, nil
}

// lockRedis returns the Redis servers that may keep locks.
func (f *Fleet) lockRedis() []*stack.Redis {
	all := append(slices.Clone(f.Masters[:]), f.Locks)
	if f.Sentinel != nil {
		all = append(append(all, f.Sentinel.Master), f.Sentinel.Replicas...)
	}
	if f.Cluster != nil {
		all = append(all, f.Cluster.Nodes...)
	}
	return slices.DeleteFunc(all, func(r *stack.Redis) bool { return r == nil })
}

// zooKeepers returns the servers that may keep queues for locks.
func (f *Fleet) zooKeepers() []*stack.ZooKeeper {
	if f.Ensemble != nil {
		return f.Ensemble.Servers
	}
	return []*stack.ZooKeeper{f.ZooKeeper}
}
