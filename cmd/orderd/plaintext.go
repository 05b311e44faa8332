package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// Passwords and orders cross no network in the clear: servers beyond loopback
// are reached by TLS, or not at all unless the operator says --insecure.
const sayInsecure = "say --insecure if nobody else is on the way there"

// checkDatabase finds a Postgres that would be, or could come to be, reached in
// the clear.
func (d *databaseFlags) checkDatabase() error {
	if d.Insecure {
		return nil
	}
	config, err := pgx.ParseConfig(d.DatabaseURL)
	if err != nil {
		return fmt.Errorf("--database-url: %w", err)
	}
	inTheClear := config.TLSConfig == nil && beyond(config.Host)
	for _, other := range config.Fallbacks { // such as the same without TLS, after sslmode=prefer
		inTheClear = inTheClear || other.TLSConfig == nil && beyond(other.Host)
	}
	if inTheClear {
		return fmt.Errorf("--database-url: Postgres at %s could be reached without TLS: add sslmode=verify-full, or %s", config.Host, sayInsecure)
	}
	return nil
}

// beyond tells whether a Postgres host is neither a socket's folder nor this
// machine.
func beyond(host string) bool {
	return !strings.HasPrefix(host, "/") && !strings.HasPrefix(host, "@") && !loopback(net.JoinHostPort(host, "0"))
}

// checkRedis finds, among the URLs by their flags, a Redis that would be reached
// in the clear, or by a TLS that does not ask who answers.
func (d *databaseFlags) checkRedis(byFlag map[string]string) error {
	if d.Insecure {
		return nil
	}
	for flag, urls := range byFlag {
		for url := range strings.SplitSeq(urls, ",") {
			if url == "" {
				continue
			}
			o, err := parseRedisURL(strings.TrimSpace(url))
			if err != nil {
				return fmt.Errorf("%s: %w", flag, err)
			}
			if address := inTheClear(o); address != "" {
				return fmt.Errorf("%s: Redis at %s would be reached without TLS, or without asking who it is: make it rediss, without skip_verify, or %s", flag, address, sayInsecure)
			}
		}
	}
	return nil
}

// inTheClear returns a server that is, if there is one.
func inTheClear(o *redis.UniversalOptions) string {
	if o.TLSConfig != nil && !o.TLSConfig.InsecureSkipVerify {
		return ""
	}
	for _, address := range o.Addrs {
		if !loopback(address) {
			return address
		}
	}
	return ""
}

// checkZooKeeper finds a ZooKeeper that would be reached in the clear.
func (c *serveCommand) checkZooKeeper() error {
	if c.Insecure || c.ZookeeperCA != "" || c.LockMode != locking.ModeZooKeeper {
		return nil
	}
	for _, address := range c.Zookeeper {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			host = address // the client knows the usual port
		}
		if !loopback(net.JoinHostPort(host, "0")) {
			return fmt.Errorf("--zookeeper: %s would be reached without TLS: give --zookeeper-ca, or %s", address, sayInsecure)
		}
	}
	return nil
}
