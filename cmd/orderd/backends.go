package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"orderd/internal/locking"
)

// Defaults of the Postgres connections, which the URL may override.
const (
	poolSize         = 16
	statementTimeout = 3 * time.Second
	rowLockTimeout   = 2 * time.Second
	idleInTxTimeout  = 10 * time.Second // a replica that is paused mid-order must not hold its rows for ever
	connectTimeout   = 2 * time.Second
)

// redisTimeout bounds a dial to Redis, a write to it and a read from it, each.
const redisTimeout = time.Second

// zooKeeperAuth names the variable that holds "user:password". It is no flag, since everybody
// on the machine can read arguments.
const zooKeeperAuth = "ORDERD_ZOOKEEPER_AUTH"

// clusterViewAge is how old the client's view of a Redis Cluster may be: until it is renewed,
// the slots of a dead master are not looked for at its replacement.
const clusterViewAge = time.Second

// servers are the clients of the servers that an order needs.
type servers struct {
	watcher
	db    *pgxpool.Pool
	stock redis.UniversalClient
	locks locking.Locker
}

func (c *serveCommand) openServers(ctx context.Context, traces *tracing) (s *servers, err error) {
	s = &servers{watcher: watcher{traces: traces}}
	if s.db, err = openDatabase(ctx, c.DatabaseURL, c.ID, traces.postgres()); err != nil {
		return nil, err
	}
	if s.stock, err = c.openStockRedis(c.RedisURL); err != nil {
		s.db.Close()
		return nil, err
	}
	s.redis("stock", s.stock)
	if s.locks, err = c.openLocker(&s.watcher); err != nil {
		s.db.Close()
		s.stock.Close()
		return nil, err
	}
	return s, nil
}

// closeLimit is how long the end of the process waits for connections to Postgres to be closed in
// order. If it hangs, each statement that was broken off would take 15 s more.
const closeLimit = time.Second

func (s *servers) close() {
	s.locks.Close()
	s.stock.Close()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		s.db.Close()
	}()
	select {
	case <-closed:
	case <-time.After(closeLimit): // the process ends, and with it what is left
	}
}

// openDatabase connects to Postgres. The tracer, which may be nil, sees every statement.
func openDatabase(ctx context.Context, url, replica string, tracer pgx.QueryTracer) (*pgxpool.Pool, error) {
	config, err := parseDatabase(url)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = poolSize
	}
	for name, value := range map[string]string{
		"application_name":                    "orderd " + replica,
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(rowLockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(idleInTxTimeout),
		// Rows are looked up by key and mostly cached. With Postgres' default, which is for
		// spinning disks, each group would scan a stock of up to about a thousand SKUs
		// sequentially.
		"random_page_cost": "1.1",
	} {
		if _, set := config.ConnConfig.RuntimeParams[name]; !set {
			config.ConnConfig.RuntimeParams[name] = value
		}
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.PingTimeout == 0 { // a connection that has been idle is tried before it is used
		config.PingTimeout = connectTimeout
	}
	config.ConnConfig.Tracer = tracer
	return pgxpool.NewWithConfig(ctx, config)
}

// milliseconds formats a duration as Postgres reads one without a unit.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// openStockRedis connects to the Redis of the levels. Its scripts may be sent twice without
// harm, so the client may retry them.
func (d *serverFlags) openStockRedis(url string) (redis.UniversalClient, error) {
	return d.openRedis("--redis-url", url, 1)
}

// openEventsRedis connects to the Redis of the events. The client retries nothing, since that
// could append events twice.
func (c *serveCommand) openEventsRedis() (redis.UniversalClient, error) {
	return c.openRedis("--events-redis-url", cmp.Or(c.EventsRedisURL, c.RedisURL), -1)
}

func (d *serverFlags) openRedis(flag, url string, retries int) (redis.UniversalClient, error) {
	options, err := d.redisOptions(url)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	options.ContextTimeoutEnabled = true // otherwise a deadline does not reach the socket
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = redisTimeout, redisTimeout, redisTimeout
	options.MaxRetries = retries
	options.DialerRetries = 1 // by default each try would dial five times
	// To identify itself, or ask for maintenance notifications, the client's user would need
	// further rights.
	options.DisableIdentity = true
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if options.IsClusterMode {
		cluster := options.Cluster()
		cluster.ClusterStateReloadInterval = clusterViewAge
		return redis.NewClusterClient(cluster), nil
	}
	return redis.NewUniversalClient(options), nil
}

// openLocker is the only place that knows which mode is which type.
func (c *serveCommand) openLocker(w *watcher) (locking.Locker, error) {
	watch := func(client redis.UniversalClient) { w.redis("locks", client) }
	switch c.LockMode {
	case locking.ModeNone:
		return locking.NewNone(), nil
	case locking.ModeLocal:
		return locking.NewLocal(), nil
	case locking.ModeRedis:
		server, err := c.lockRedis()
		if err != nil {
			return nil, err
		}
		return locking.NewRedis(locking.RedisConfig{
			Server: server, TTL: c.LockTTL, Owner: c.ID, Acks: c.LockAcks, Margin: c.LockMargin, Opened: watch,
		})
	case locking.ModeRedlock:
		masters, err := c.lockMasters()
		if err != nil {
			return nil, err
		}
		return locking.NewRedlock(locking.RedlockConfig{
			Masters: masters, TTL: c.LockTTL, Owner: c.ID, Opened: watch,
		})
	case locking.ModePostgres:
		return locking.NewPostgres(locking.PostgresConfig{URL: c.DatabaseURL, TTL: c.LockTTL, Owner: c.ID})
	case locking.ModeZooKeeper:
		tlsConfig, err := c.zooKeeperTLS()
		if err != nil {
			return nil, err
		}
		return locking.NewZooKeeper(locking.ZooKeeperConfig{
			TLS: tlsConfig, Servers: c.Zookeeper, SessionTimeout: c.LockTTL, Owner: c.ID, Auth: os.Getenv(zooKeeperAuth),
		})
	default:
		return nil, fmt.Errorf("--lock-mode: %q is none of %s", c.LockMode, modeList())
	}
}

// zooKeeperTLS returns the TLS settings for ZooKeeper, nil for none.
func (c *serveCommand) zooKeeperTLS() (*tls.Config, error) {
	if c.ZookeeperCA == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if err := trust(config, c.ZookeeperCA); err != nil {
		return nil, fmt.Errorf("--zookeeper-ca: %w", err)
	}
	return config, nil
}

// pingOf returns the lock backend's Ping, or one that always succeeds if there is no backend.
func pingOf(l locking.Locker) func(context.Context) error {
	if p, ok := l.(interface{ Ping(context.Context) error }); ok {
		return p.Ping
	}
	return func(context.Context) error { return nil }
}

// quietRedis keeps the Redis client from writing to stderr, past the log and its format: its
// callers get the same as errors.
func quietRedis() { redis.SetLogger(quiet{}) }

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
