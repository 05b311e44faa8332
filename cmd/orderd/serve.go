package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"orderd/internal/access"
	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// drainLimit bounds the wait for requests in flight after the listener has closed: the whole
// time of a request, of its COMMIT and of looking up the outcome.
const drainLimit = order.RequestLimit + 2*order.CommitLimit

// Run wires the service together and serves until ctx ends, then drains.
func (c *serveCommand) Run(ctx context.Context, to streams) error {
	log := c.logger(to.logs)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // until Run returns: it must not end the process while leases are released
	defer signal.Stop(hangups)
	edge, err := c.openEdge(log)
	if err != nil {
		return err
	}
	// Stops last: a file that cannot be read must hold up nothing else.
	defer inBackground(context.WithoutCancel(ctx), func(ctx context.Context) { edge.changes.run(ctx, hangups) })()
	traces, err := openTracing(ctx, c.ID, log)
	if err != nil {
		return err
	}
	defer traces.close()
	s, err := c.openServers(ctx, traces)
	if err != nil {
		return err
	}
	defer s.close()

	metrics := newRegistry(s.db, &s.pools)
	counts := order.NewMetrics(metrics)
	store := stock.NewStore(s.db, c.ID)
	cache, truth := stock.NewCache(s.stock, store), stock.NewShortages(store)
	health := newHealth(log, store, cache, s.locks)
	metrics.MustRegister(health.Collector())
	service := &order.Service{
		Locks: locking.Instrument(s.locks, c.LockMode, metrics), LockWait: c.LockWait, LockMargin: c.LockMargin,
		Store: store, Cache: cache, Shortages: truth, Ledger: order.NewLedger(s.db, c.ID).CountIn(counts),
		Work: c.Work, Log: log, Metrics: counts, Traces: traces.orders(c.LockMode),
	}
	if c.BatchMax > 1 && c.LockMode != locking.ModeNone {
		service.Lanes = order.NewLanes(service, c.BatchMax)
		metrics.MustRegister(service.Lanes.Collector())
	}
	defer service.Close() // before the servers are closed: the lanes release their leases
	defer inBackground(ctx, service.SweepHolds)()
	stop, err := c.followLedger(ctx, s, store, cache, log, metrics)
	if err != nil {
		return err
	}
	defer stop()
	api := order.NewHandler(order.HandlerConfig{
		Service: service,
		Stock: &stock.Routes{
			Store: store, Cache: cache, Shortages: truth, Log: log, Client: access.ClientOf, AllowUnguarded: c.AllowUnguarded,
		},
		Locks: s.locks, Health: health, Replica: c.ID, Version: version(),
		Keys: edge.keys, Limits: edge.limits,
	})
	return c.serve(ctx, log, health, c.apiServer(traces.http(api), edge.tls, log), newServer(adminHandler(metrics, health.Handler()), log))
}

// newHealth returns the checks of all that an order needs.
func newHealth(log *slog.Logger, store *stock.Store, cache *stock.Cache, backend locking.Locker) *order.Health {
	return order.NewHealth(log,
		order.Check{Name: "postgres", Ask: store.Ping},
		order.Check{Name: "stock_redis", Ask: cache.Ping},
		order.Check{Name: "lock", Ask: pingOf(backend)},
	)
}

// adminConnections is how many connections the admin listener has at a time: scrapers, probes
// and a few operators.
const adminConnections = 64

// serve listens, serves until ctx ends, and stops in the order that loses
// nothing: not ready, no new connections, requests in flight answered. The
// leases and pools are closed by the caller after that.
func (c *serveCommand) serve(ctx context.Context, log *slog.Logger, health *order.Health, apiServer, adminServer *http.Server) error {
	apiListener, err := listen(ctx, "--listen", c.Listen)
	if err != nil {
		return err
	}
	defer apiListener.Close()
	adminListener, err := listen(ctx, "--admin-listen", c.AdminListen)
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- serveOn(apiServer, netutil.LimitListener(apiListener, c.MaxConnections)) }()
	go func() { failed <- adminServer.Serve(netutil.LimitListener(adminListener, adminConnections)) }()
	defer adminServer.Close()
	log.Info("listening", "address", apiListener.Addr().String(), "admin", adminListener.Addr().String(),
		"lock_mode", c.LockMode, "version", version())

	select {
	case err := <-failed:
		apiServer.Close()
		return err
	case <-ctx.Done():
	}
	log.Info("draining")
	health.Drain()
	time.Sleep(c.DrainDelay) // a fixed time: balancers poll, and do not say what they saw
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if err := apiServer.Shutdown(stopping); err != nil {
		apiServer.Close()
		return fmt.Errorf("requests were still in flight after %s: %w", drainLimit, err)
	}
	log.Info("stopped")
	return nil
}
