package locking

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// defaultMaxConns leaves room for other replicas among the 100 sessions that a
// server has by default.
const defaultMaxConns = 10

// connectLimit bounds the making of a connection. Nothing is held meanwhile, so it need not
// be below the TTL.
const connectLimit = 1500 * time.Millisecond

// PostgresConfig says which PostgreSQL keeps the locks and for how long.
type PostgresConfig struct {
	// URL is that of the server itself, version 14 or newer, and of a database that has the
	// sequence orderd_lock_token, which the role may use. All lockers that are to exclude
	// each other name the same database and role. A connection pooler in between is refused:
	// locks belong to sessions, which it would mix up.
	URL   string
	TTL   time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner string        // the replica's name; shown in pg_stat_activity, cut to fit there
	// MaxConns is how many leases may be held or waited for on the server at one time: each
	// has a connection of its own, and further callers queue for one. Clean-up and operators
	// may need one more. 0: 10.
	MaxConns int
}

// Postgres locks keys by advisory locks of one PostgreSQL database. Each lease has a session
// of its own, and ends with it: the server ends sessions that have been idle for the TTL, and
// renewals prevent that.
//
// Keys are hashed to 64 bits. Two that collide merely exclude each other.
//
// A crash of the server ends all leases. A failover to a replica that had not received
// everything may repeat the latest tokens.
type Postgres struct {
	wakeups
	config  *pgx.ConnConfig
	name    string // of idle sessions
	ttl     time.Duration
	call    time.Duration // limit of one request
	slice   time.Duration // the longest single wait that the server is asked for
	sql     pgStatements
	front   *Local // lets one caller per key and process ask the server
	pool    *pgPool
	graves  pgGraves
	workers *workers

	answers atomic.Bool // the latest request was answered
}

var (
	_ Locker  = (*Postgres)(nil)
	_ Evictor = (*Postgres)(nil)
)

// NewPostgres returns a locker. It checks the configuration but asks nothing of
// the server, which may come up later.
func NewPostgres(cfg PostgresConfig) (*Postgres, error) {
	return newPostgres(cfg, pgHash)
}

func newPostgres(cfg PostgresConfig, hash string) (*Postgres, error) {
	if err := checkLease(cfg.TTL, cfg.Owner); err != nil {
		return nil, fmt.Errorf("lock postgres: %w", err)
	}
	if cfg.MaxConns < 0 {
		return nil, fmt.Errorf("lock postgres: %d connections", cfg.MaxConns)
	}
	if cfg.MaxConns == 0 {
		cfg.MaxConns = defaultMaxConns
	}
	// Parse the URL as a pool's: it may have settings for a pool, which the server does not
	// know.
	pool, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("lock postgres: %w", err)
	}
	config := pool.ConnConfig
	p := &Postgres{
		config: config,
		name:   pgNamePrefix + printable(cfg.Owner),
		ttl:    cfg.TTL,
		// An answer that takes half the TTL is still of use, as the lease is counted from the
		// request. Only after that does silence count as a failure.
		call: min(cfg.TTL/2, time.Second),
		// Short enough for an acquire that waits to be renewed in between, and long enough
		// for its place in the server's queue to be of use: whoever waits for longer queues
		// anew.
		slice:   cfg.TTL / 4,
		sql:     newPGStatements(hash),
		front:   NewLocal(),
		workers: newWorkers(),
	}
	p.configure()
	p.pool = &pgPool{pg: p, slots: make(chan struct{}, cfg.MaxConns)}
	p.workers.run(p.pool.keep)
	return p, nil
}

// printable replaces characters that the server does not accept in a session's name.
func printable(owner string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, owner)
}

// Ping reports whether the server answers right now.
func (p *Postgres) Ping(ctx context.Context) error {
	return p.aside(ctx, p.call, func(ctx context.Context, s *pgSession) error { return s.conn.Ping(ctx) })
}

// Close ends every wait and every lease still held, and gives pending clean-up one last try.
func (p *Postgres) Close() error {
	<-p.workers.close()
	return nil
}

// Acquire implements Locker. Its error is ErrBusy also for a caller that did not get a
// connection, as long as the server answers others.
func (p *Postgres) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	ctx, keys, end, err := p.workers.begin(ctx, keys)
	if err != nil {
		return nil, err
	}
	defer end()
	if !p.front.enterAll(ctx, keys, nil) {
		return nil, waitError(ctx, p.answers.Load())
	}
	// Leave the front at the grant, not at the release: otherwise one process could pass the
	// key around among its own callers while other processes wait.
	defer p.front.leaveAll(keys)

	h := &pgHolder{pg: p}
	h.lease = newLease(p.workers.life, h, p.ttl)
	if err := h.take(ctx, keys); err != nil {
		_ = h.lease.Release(ctx) // it only stops the renewal: take has given the keys back
		return nil, err
	}
	return h.lease, nil
}
