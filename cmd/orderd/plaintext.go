package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// Passwords and orders cross no network in the clear: servers beyond loopback
// are reached by TLS, or not at all unless the operator says --insecure.
const sayInsecure = "pass --insecure if the network in between is trusted"

// parseDatabase parses the URL of Postgres. It separates the pool's settings, such as
// pool_max_conns, which no server knows. The error quotes nothing that may be part of a
// password.
func parseDatabase(text string) (*pgxpool.Config, error) {
	const readable = "cannot be read: want postgres://user:password@host:port/database, where a password has %40 for @, %2F for / and %25 for %"
	if text == "" {
		return nil, errors.New("--database-url: is empty")
	}
	config, err := pgxpool.ParseConfig(text)
	if _, ok := errors.AsType[*url.Error](err); ok || err == nil && strings.LastIndex(config.ConnConfig.Host, "@") > 0 {
		return nil, errors.New("--database-url: " + readable)
	}
	if err != nil {
		return nil, fmt.Errorf("--database-url: %w", err)
	}
	return config, nil
}

// checkDatabase rejects a Postgres that would be, or could come to be, reached without TLS.
func (d *serverFlags) checkDatabase() error {
	pool, err := parseDatabase(d.DatabaseURL)
	if err != nil || d.Insecure {
		return err
	}
	config := pool.ConnConfig
	inTheClear := unverified(config.TLSConfig) && beyond(config.Host)
	for _, other := range config.Fallbacks { // such as the same host without TLS, with sslmode=prefer
		inTheClear = inTheClear || unverified(other.TLSConfig) && beyond(other.Host)
	}
	if inTheClear {
		return fmt.Errorf("--database-url: Postgres at %s could be reached without TLS, or without verifying its certificate: add sslmode=verify-full, or %s", config.Host, sayInsecure)
	}
	return nil
}

// unverified reports whether a server need not show a certificate that is trusted, as with
// sslmode=require: then anybody in between can ask for the password.
func unverified(config *tls.Config) bool {
	return config == nil || config.InsecureSkipVerify && config.VerifyPeerCertificate == nil && config.VerifyConnection == nil
}

// beyond reports whether a Postgres host is neither a Unix socket nor this machine.
func beyond(host string) bool {
	return !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "@") && !loopback(net.JoinHostPort(host, "0"))
}

// checkRedis rejects the first URL that is invalid, or whose Redis would be reached without
// TLS, or without verifying who it is.
func (d *serverFlags) checkRedis(urls []flagURL) error {
	for _, u := range urls {
		o, err := parseRedisURL(u.url)
		if err != nil {
			return fmt.Errorf("%s: %w", u.flag, err)
		}
		if address := inTheClear(o); address != "" && !d.Insecure {
			return fmt.Errorf("%s: Redis at %s would be reached without TLS, or without verifying its certificate: use rediss, without skip_verify, or %s", u.flag, address, sayInsecure)
		}
	}
	return nil
}

// inTheClear returns the address of a server that would be reached without verified TLS, as far
// as the servers are known yet, or "".
func inTheClear(o *redis.UniversalOptions) string {
	if o.TLSConfig != nil && !o.TLSConfig.InsecureSkipVerify {
		return ""
	}
	if o.TLSConfig != nil && (o.MasterName != "" || o.IsClusterMode) {
		return o.Addrs[0] // and the servers that it names later
	}
	for _, address := range o.Addrs {
		if !loopback(address) {
			return address
		}
	}
	return ""
}

// redisOptions parses a Redis URL. Without TLS, unless --insecure allows that, the client dials
// this machine only, whatever servers a Sentinel or a Cluster names later.
func (d *serverFlags) redisOptions(text string) (*redis.UniversalOptions, error) {
	o, err := parseRedisURL(text)
	switch {
	case err != nil:
		return nil, err
	case o.TLSConfig != nil:
		o.Dialer = dialTLS(o.TLSConfig)
		o.MinIdleConns = 0 // a connection that was never used has a session ticket unread: see visibleTLS
	case !d.Insecure:
		o.Dialer = dialLoopback
	}
	return o, nil
}

// dialTLS dials connections of which the client can see that the server has closed them.
func dialTLS(config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: redisTimeout}, Config: config}
		ctx, cancel := context.WithTimeout(ctx, redisTimeout) // of the handshake, too
		defer cancel()
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return visibleTLS{conn.(*tls.Conn)}, nil
	}
}

// visibleTLS is a TLS connection that shows the one below it. The client looks there before it
// uses a connection again: without that, every one that a restarted server has closed fails a
// request. Whatever is unread there counts as the end: a connection must have been used once, to
// read TLS' session tickets, and nothing may come unasked, such as RESP3's pushes (see
// parseRedisURL).
type visibleTLS struct{ *tls.Conn }

// SyscallConn implements syscall.Conn.
func (c visibleTLS) SyscallConn() (syscall.RawConn, error) {
	below, ok := c.NetConn().(syscall.Conn)
	if !ok {
		return nil, errors.ErrUnsupported
	}
	return below.SyscallConn()
}

func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	if !loopback(address) {
		return nil, fmt.Errorf("redis at %s would be reached without TLS: make it rediss, or %s", address, sayInsecure)
	}
	return (&net.Dialer{Timeout: redisTimeout}).DialContext(ctx, network, address)
}

// checkZooKeeper rejects a ZooKeeper that would be reached without TLS, and a login that it would
// not understand.
func (c *serveCommand) checkZooKeeper() error {
	if c.LockMode != locking.ModeZooKeeper {
		return nil
	}
	if login := os.Getenv(zooKeeperAuth); login != "" && !strings.Contains(login, ":") {
		return fmt.Errorf("%s: must be user:password", zooKeeperAuth)
	}
	if c.Insecure || c.ZookeeperCA != "" {
		return nil
	}
	for _, address := range c.Zookeeper {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address // the client adds the default port
		}
		if !loopback(net.JoinHostPort(host, "0")) {
			return fmt.Errorf("--zookeeper: %s would be reached without TLS: give --zookeeper-ca, or %s", address, sayInsecure)
		}
	}
	return nil
}
