package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
)

// parseRedisURL parses the one syntax that reaches every kind of Redis:
//
//	redis://user:password@host:6379/0                            one server
//	redis+sentinel://host:26379/0?master_name=shop&addr=host2:26379   Sentinel's master
//	redis+cluster://host:6379?addr=host2:6379                    Redis Cluster
//
// With rediss in place of redis, connections use TLS; the parameter ca names a file of
// authorities to trust instead of the system's. The parameter addr, which may be repeated, adds
// a node to ask; user and password are those of the data servers, sentinel_username and
// sentinel_password Sentinel's. Other parameters are those of a single server's URL, except the
// protocol and the time-outs, which are orderd's.
func parseRedisURL(raw string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, errors.New("is not a URL") // the reason would quote a part of it, such as the password
	}
	scheme, kind, _ := strings.Cut(u.Scheme, "+")
	query := u.Query()
	take := func(name string) []string {
		values := query[name]
		query.Del(name)
		return values
	}
	more, master := take("addr"), strings.Join(take("master_name"), "")
	ca := strings.Join(take("ca"), "")
	sentinelUser, sentinelPassword := take("sentinel_username"), take("sentinel_password")
	switch {
	case kind != "" && kind != "sentinel" && kind != "cluster":
		return nil, fmt.Errorf("scheme %q: want redis, redis+sentinel or redis+cluster, or rediss for TLS", u.Scheme)
	case kind == "sentinel" && master == "":
		return nil, errors.New("master_name: missing: Sentinel has to be told which master")
	case kind != "sentinel" && (master != "" || sentinelUser != nil || sentinelPassword != nil):
		return nil, errors.New("master_name, sentinel_username, sentinel_password: only with redis+sentinel://")
	case kind == "" && more != nil:
		return nil, errors.New("addr: only with redis+sentinel:// and redis+cluster://")
	case kind == "cluster" && strings.Trim(u.Path, "/0") != "":
		return nil, errors.New("a Redis Cluster has no database but 0")
	}

	u.Scheme, u.RawQuery = scheme, query.Encode()
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return nil, err
	}
	if o.TLSConfig != nil && kind != "" {
		o.TLSConfig.ServerName = "" // each node is checked under its own name
	}
	if ca != "" {
		if err := trust(o.TLSConfig, ca); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	return &redis.UniversalOptions{
		Addrs: append([]string{o.Addr}, more...), DB: o.DB,
		Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		MasterName:       master,
		SentinelUsername: strings.Join(sentinelUser, ""),
		SentinelPassword: strings.Join(sentinelPassword, ""),
		IsClusterMode:    kind == "cluster",
		Protocol:         2,  // orderd has no use for RESP3's pushes, for which every reply is searched
		PipelinePoolSize: -1, // pipelines use the connections that pool_size bounds and the metrics count
		ClientName:       o.ClientName, PoolSize: o.PoolSize,
		MinIdleConns: o.MinIdleConns, MaxIdleConns: o.MaxIdleConns, MaxActiveConns: o.MaxActiveConns,
		ConnMaxIdleTime: o.ConnMaxIdleTime, ConnMaxLifetime: o.ConnMaxLifetime, PoolFIFO: o.PoolFIFO,
	}, nil
}

// trust makes a client trust the authorities in the file, and no others.
func trust(config *tls.Config, file string) error {
	if config == nil {
		return errors.New("only with rediss, which is encrypted")
	}
	text, err := readNamed(file)
	if err != nil {
		return err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return errors.New("holds no certificate")
	}
	return nil
}

// A flagURL is a URL and the flag that it was given by.
type flagURL struct{ flag, url string }

// redisURLs returns the Redis URLs that are given.
func (c *serveCommand) redisURLs() []flagURL {
	urls := []flagURL{{"--redis-url", c.RedisURL}}
	switch {
	case c.LockMode == locking.ModeRedlock:
		for _, master := range c.masterURLs() {
			urls = append(urls, flagURL{"--lock-redis-url", master})
		}
	case c.LockRedisURL != "":
		urls = append(urls, flagURL{"--lock-redis-url", c.LockRedisURL})
	}
	if c.EventsRedisURL != "" {
		urls = append(urls, flagURL{"--events-redis-url", c.EventsRedisURL})
	}
	return urls
}

// lockRedis returns the Redis of the locks: the stock's if no other is set.
func (c *serveCommand) lockRedis() (*redis.UniversalOptions, error) {
	flag, raw := "--lock-redis-url", c.LockRedisURL
	if raw == "" {
		flag, raw = "--redis-url", c.RedisURL
	}
	o, err := c.redisOptions(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return o, nil
}

// masterURLs returns the URLs of mode redlock's masters.
func (c *serveCommand) masterURLs() []string {
	urls := strings.Split(c.LockRedisURL, ",")
	for i := range urls {
		urls[i] = strings.TrimSpace(urls[i])
	}
	return urls
}

// lockMasters returns the independent masters of mode redlock.
func (c *serveCommand) lockMasters() ([]*redis.UniversalOptions, error) {
	var masters []*redis.UniversalOptions
	for _, raw := range c.masterURLs() {
		o, err := c.redisOptions(raw)
		if err != nil {
			return nil, fmt.Errorf("--lock-redis-url: %w", err)
		}
		if o.IsClusterMode || o.MasterName != "" {
			return nil, errors.New("--lock-redis-url: mode redlock takes single masters, not Sentinel or Cluster")
		}
		masters = append(masters, o)
	}
	return masters, nil
}
