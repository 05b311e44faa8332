package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/order"
)

// serverFlags are shared by the commands that use Postgres.
type serverFlags struct {
	Insecure    bool   `env:"ORDERD_INSECURE" help:"Allow unsafe settings: listen beyond loopback without API keys, and reach servers beyond loopback without TLS."`
	DatabaseURL string `required:"" env:"DATABASE_URL" placeholder:"URL" help:"Postgres, as postgres://user:password@host:port/database?sslmode=verify-full&sslrootcert=FILE. With a password it has to come from the environment."`
}

// serveCommand holds the settings of orderd serve. A flag wins over its
// environment variable.
type serveCommand struct {
	serverFlags
	Listen          string        `env:"ORDERD_LISTEN" default:"127.0.0.1:8080" help:"Address of the API."`
	AdminListen     string        `env:"ORDERD_ADMIN_LISTEN" default:"127.0.0.1:9080" help:"Address of /metrics and /debug/pprof."`
	RedisURL        string        `required:"" env:"REDIS_URL" placeholder:"URL" help:"Redis for the stock: redis://host:port/db, redis+sentinel://host:port?master_name=NAME or redis+cluster://host:port, rediss for TLS, &addr= for more nodes."`
	LockMode        locking.Mode  `env:"ORDERD_LOCK_MODE" default:"redis" enum:"${modes}" help:"Lock mode: ${enum}."`
	LockRedisURL    string        `env:"ORDERD_LOCK_REDIS_URL" placeholder:"URL" help:"Redis for the locks, as --redis-url. Default: the one for the stock. Mode redlock: independent masters, separated by commas."`
	Zookeeper       []string      `env:"ORDERD_ZOOKEEPER" placeholder:"HOST:PORT" help:"ZooKeeper servers, separated by commas. $ORDERD_ZOOKEEPER_AUTH, as user:password, makes the locks' nodes that user's alone."`
	ZookeeperCA     string        `name:"zookeeper-ca" env:"ORDERD_ZOOKEEPER_CA" placeholder:"FILE" help:"Reach ZooKeeper by TLS, trusting the authorities in this file."`
	LockTTL         time.Duration `name:"lock-ttl" env:"ORDERD_LOCK_TTL" default:"10s" help:"How long a lock outlives a holder that died. ZooKeeper's session timeout too."`
	LockWait        time.Duration `env:"ORDERD_LOCK_WAIT" default:"2s" help:"How long an order waits for the lock."`
	LockMargin      time.Duration `env:"ORDERD_LOCK_MARGIN" default:"50ms" help:"What must be left of a lease when COMMIT is sent."`
	BatchMax        int           `env:"ORDERD_BATCH_MAX" default:"64" help:"Most orders placed with one lease and one transaction; 1: each with its own. Mode none: always 1, for a group would itself be a lock."`
	LockAcks        int           `env:"ORDERD_LOCK_ACKS" default:"0" help:"Replicas of the lock Redis that must have a lock before it counts (mode redis)."`
	Work            time.Duration `env:"ORDERD_WORK" default:"0s" help:"Artificial delay inside the lock, between check and write, standing in for pricing or fraud calls. For the laboratory."`
	ReconcileEvery  time.Duration `env:"ORDERD_RECONCILE_EVERY" default:"500ms" help:"How often some replica compares Redis with Postgres and repairs it; 0s: this one never does."`
	EventsStream    string        `env:"ORDERD_EVENTS_STREAM" placeholder:"KEY" help:"Redis stream that an event is delivered to for each change of a level, such as orderd:events. Default: none are."`
	EventsRedisURL  string        `env:"ORDERD_EVENTS_REDIS_URL" placeholder:"URL" help:"Redis that the stream is in, as --redis-url. Default: the one for the stock."`
	EventsMaxLength int64         `env:"ORDERD_EVENTS_MAX_LENGTH" default:"1000000" help:"Events that the stream keeps, about: the oldest make room."`
	AllowUnguarded  bool          `env:"ORDERD_ALLOW_UNGUARDED" help:"Let SKUs be created with a guard other than predicate. For the laboratory."`
	ID              string        `name:"id" env:"ORDERD_ID" default:"${replica}" help:"Name of this replica in headers, logs, the ledger and locks."`
	APIKeys         *string       `name:"api-keys" placeholder:"FILE" help:"Clients' API keys, hashed: lines of orderd keys new. Read again when the file changes and on SIGHUP. $ORDERD_API_KEYS may hold the lines themselves, or @FILE."`
	TLSCert         string        `name:"tls-cert" env:"ORDERD_TLS_CERT" placeholder:"FILE" help:"Certificate of the API's listener, with those that signed it. Read again when it changes and on SIGHUP."`
	TLSKey          string        `name:"tls-key" env:"ORDERD_TLS_KEY" placeholder:"FILE" help:"The certificate's private key."`
	RateLimit       access.Rate   `env:"ORDERD_RATE_LIMIT" placeholder:"RATE[:BURST]" help:"Requests a second from all clients together. Default: no limit."`
	ClientRate      access.Rate   `name:"client-rate-limit" env:"ORDERD_CLIENT_RATE_LIMIT" placeholder:"RATE[:BURST]" help:"Requests a second from each client; without API keys, from each address. Default: no limit."`
	MaxConnections  int           `env:"ORDERD_MAX_CONNECTIONS" default:"4096" help:"Connections to the API at a time; more have to wait."`
	DrainDelay      time.Duration `env:"ORDERD_DRAIN_DELAY" default:"2s" help:"How long /readyz answers 503 before the listener closes, so that balancers notice."`
	LogFormat       string        `env:"ORDERD_LOG_FORMAT" default:"json" enum:"json,text" help:"Format of the log on stderr: ${enum}."`
	LogLevel        slog.Level    `env:"ORDERD_LOG_LEVEL" default:"info" help:"Lowest level logged: debug (every request), info, warn, error."`
}

// turnMax is how much of a request's time --lock-wait and --work may take together. The rest is
// for one round trip to Redis and one Postgres statement.
const turnMax = order.RequestLimit - redisTimeout - statementTimeout

// Validate rejects settings that cannot work together. Errors name the flag.
func (c *serveCommand) Validate() error {
	switch {
	case c.RedisURL == "":
		return fmt.Errorf("--redis-url: is empty")
	case c.ID == "":
		return fmt.Errorf("--id: is empty")
	case c.BatchMax < 1 || c.BatchMax > 1024:
		return fmt.Errorf("--batch-max: must be 1 to 1024")
	case c.Work < 0:
		return fmt.Errorf("--work: must not be negative")
	case c.ReconcileEvery != 0 && (c.ReconcileEvery < 10*time.Millisecond || c.ReconcileEvery > 20*time.Second):
		return fmt.Errorf("--reconcile-every: must be 10ms to 20s, or 0s for never")
	case c.EventsRedisURL != "" && c.EventsStream == "":
		return fmt.Errorf("--events-redis-url: needs --events-stream")
	case c.EventsMaxLength < 1:
		return fmt.Errorf("--events-max-length: must be at least 1")
	case c.DrainDelay < 0 || c.DrainDelay > 10*time.Second:
		return fmt.Errorf("--drain-delay: must be 0s to 10s")
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return fmt.Errorf("--tls-cert, --tls-key: need each other")
	case c.MaxConnections < 1:
		return fmt.Errorf("--max-connections: must be at least 1")
	}
	if err := c.checkLock(); err != nil {
		return err
	}
	if err := c.checkDatabase(); err != nil {
		return err
	}
	if err := errors.Join(c.checkRedis(c.redisURLs()), c.checkZooKeeper()); err != nil {
		return err
	}
	return c.checkListeners()
}

func (c *serveCommand) checkLock() error {
	switch {
	case c.LockMode == locking.ModeZooKeeper && len(c.Zookeeper) == 0:
		return fmt.Errorf("--zookeeper: needed by --lock-mode zookeeper")
	case c.LockMode == locking.ModeRedlock && c.LockRedisURL == "":
		return fmt.Errorf("--lock-redis-url: needed by --lock-mode redlock: masters, separated by commas")
	case c.LockTTL < 100*time.Millisecond:
		return fmt.Errorf("--lock-ttl: must be at least 100ms")
	case c.LockWait <= 0:
		return fmt.Errorf("--lock-wait: must be above 0s")
	case c.LockWait+c.Work > turnMax:
		return fmt.Errorf("--lock-wait: with --work at most %s together, so that Redis and Postgres have the rest of a request's %s", turnMax, order.RequestLimit)
	case c.LockMargin < 0 || c.LockMargin > c.LockTTL/4:
		return fmt.Errorf("--lock-margin: must be 0s to a quarter of --lock-ttl")
	case c.LockMode == locking.ModeZooKeeper && c.LockMargin > c.LockTTL/6: // five twelfths are trusted, and 7/36 may be left when it renews
		return fmt.Errorf("--lock-margin: must be at most a sixth of --lock-ttl with --lock-mode zookeeper")
	case c.LockAcks < 0 || c.LockAcks > 0 && c.LockMode != locking.ModeRedis:
		return fmt.Errorf("--lock-acks: must not be negative, and may be above 0 only with --lock-mode redis")
	}
	return nil
}

func (c *serveCommand) checkListeners() error {
	if err := checkAddress(c.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if c.APIKeys != nil && *c.APIKeys == "" { // such as a variable that is not set: without keys every route would be open
		return errors.New("--api-keys: is empty")
	}
	if !c.Insecure && c.keySource() == nil && !loopback(c.Listen) {
		return fmt.Errorf("--listen: %s is not a loopback address and every route is open: give --api-keys, or say --insecure to serve there all the same", c.Listen)
	}
	if err := checkAddress(c.AdminListen); err != nil {
		return fmt.Errorf("--admin-listen: %w", err)
	}
	if c.AdminListen == c.Listen && !strings.HasSuffix(c.Listen, ":0") {
		return errors.New("--admin-listen: must not be the address of --listen")
	}
	return nil
}

// checkAddress rejects an address that nobody could listen on. A port must be a number.
func checkAddress(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not HOST:PORT", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is not HOST:PORT: %q is no port", address, port)
	}
	return nil
}

// loopback reports whether the address is one that only this machine can reach.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *serveCommand) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if c.LogFormat == "text" {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(h).With("replica", c.ID)
}

func modeList() string {
	names := make([]string, len(locking.Modes))
	for i, m := range locking.Modes {
		names[i] = string(m)
	}
	return strings.Join(names, ",")
}

func defaultReplica() string {
	host, err := os.Hostname()
	if err != nil {
		host = "orderd"
	}
	return fmt.Sprintf("%s-%d", host, os.Getpid())
}

// A build is what this program was built from.
type build struct{ version, revision string }

func readBuild() build {
	b := build{"unknown", "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			b.revision = s.Value
		}
	}
	if b.revision == "unknown" && revision != "" {
		b.revision = revision
	}
	return b
}

// revision is set by the linker where the program is built without its repository,
// as an image is: -X main.revision=COMMIT.
var revision string

// version is the commit that the program was built from, or the module's version
// if that is not known.
func version() string {
	b := readBuild()
	if b.revision != "unknown" {
		return b.revision
	}
	return b.version
}
