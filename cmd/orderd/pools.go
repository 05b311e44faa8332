package main

import (
	"sync"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// poolsOf returns the metrics of the Postgres connections.
func poolsOf(db *pgxpool.Pool) []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "orderd_db_pool_acquired_connections", Help: "Postgres connections in use.",
		}, func() float64 { return float64(db.Stat().AcquiredConns()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "orderd_db_pool_max_connections", Help: "Postgres connections there can be.",
		}, func() float64 { return float64(db.Stat().MaxConns()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "orderd_db_pool_waits_total", Help: "Times that an order waited for a Postgres connection.",
		}, func() float64 { return float64(db.Stat().EmptyAcquireCount()) }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "orderd_db_pool_wait_seconds_total", Help: "Time that was waited for Postgres connections.",
		}, func() float64 { return db.Stat().EmptyAcquireWaitTime().Seconds() }),
	}
}

// redisPools are the Redis clients whose connections are counted, by use: stock, locks or
// events.
type redisPools struct {
	mu      sync.Mutex
	clients map[string][]redis.UniversalClient
}

func (p *redisPools) add(use string, client redis.UniversalClient) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clients == nil {
		p.clients = map[string][]redis.UniversalClient{}
	}
	p.clients[use] = append(p.clients[use], client)
}

// redisPoolMetrics are the metrics of all clients of one use together.
var redisPoolMetrics = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*redis.PoolStats) uint32
}{
	{redisPoolDesc("connections", "Connections to Redis that are open."), prometheus.GaugeValue, func(s *redis.PoolStats) uint32 { return s.TotalConns }},
	{redisPoolDesc("idle_connections", "Connections to Redis that nobody uses now."), prometheus.GaugeValue, func(s *redis.PoolStats) uint32 { return s.IdleConns }},
	{redisPoolDesc("hits_total", "Times that a connection was there to be used."), prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Hits }},
	{redisPoolDesc("misses_total", "Times that a connection had to be opened or waited for."), prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Misses }},
	{redisPoolDesc("timeouts_total", "Times that a connection was waited for too long."), prometheus.CounterValue, func(s *redis.PoolStats) uint32 { return s.Timeouts }},
}

func redisPoolDesc(name, help string) *prometheus.Desc {
	return prometheus.NewDesc("orderd_redis_pool_"+name, help, []string{"use"}, nil)
}

// Describe implements prometheus.Collector.
func (p *redisPools) Describe(descs chan<- *prometheus.Desc) {
	for _, m := range redisPoolMetrics {
		descs <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (p *redisPools) Collect(metrics chan<- prometheus.Metric) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for use, clients := range p.clients {
		for _, m := range redisPoolMetrics {
			sum := 0.0
			for _, c := range clients {
				sum += float64(m.value(c.PoolStats()))
			}
			metrics <- prometheus.MustNewConstMetric(m.desc, m.kind, sum, use)
		}
	}
}

// A watcher instruments the clients of the servers: with traces and with metrics.
type watcher struct {
	traces *tracing
	pools  redisPools
}

// redis instruments a Redis client of that use, once it is open.
func (w *watcher) redis(use string, client redis.UniversalClient) {
	w.traces.redis(client)
	w.pools.add(use, client)
}
