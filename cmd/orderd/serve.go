package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

// drainLimit bounds the wait for requests in flight after the listener closed.
const drainLimit = 12 * time.Second

// Run wires the service together and serves until ctx ends, then drains.
func (c *serveCommand) Run(ctx context.Context, logs io.Writer) error {
	log := c.logger(logs)
	db, err := openDatabase(ctx, c.DatabaseURL, c.ID)
	if err != nil {
		return err
	}
	defer db.Close()
	client, err := openStockRedis(c.RedisURL)
	if err != nil {
		return err
	}
	defer client.Close()
	backend, err := c.openLocker()
	if err != nil {
		return err
	}
	defer backend.Close()

	metrics := newRegistry(db)
	store := stock.NewStore(db, c.ID)
	cache, truth := stock.NewCache(client, store), stock.NewTruth(store)
	health := order.NewHealth(
		order.Check{Name: "postgres", Ask: store.Ping},
		order.Check{Name: "stock_redis", Ask: cache.Ping},
		order.Check{Name: "lock", Ask: pingOf(backend)},
	)
	service := &order.Service{
		Locks: locking.Instrument(backend, c.LockMode, metrics), LockWait: c.LockWait, LockMargin: c.LockMargin,
		Store: store, Cache: cache, Truth: truth, Ledger: order.NewLedger(db, c.ID),
		Work: c.Work, Log: log, Metrics: order.NewMetrics(metrics),
	}
	if c.BatchMax > 1 && c.LockMode != locking.ModeNone {
		service.Lanes = order.NewLanes(service, c.BatchMax)
		defer service.Lanes.Close() // before the backend: they give their leases back
	}
	stop := sweep(ctx, service)
	defer stop()
	api := order.NewHandler(order.HandlerConfig{
		Service: service,
		Stock: &stock.Routes{
			Store: store, Cache: cache, Truth: truth, Log: log, AllowUnguarded: c.AllowUnguarded,
		},
		Locks: backend, Health: health, Replica: c.ID, Version: version(),
	})
	return c.serve(ctx, log, health, api, adminHandler(metrics))
}

// sweep returns the units of expired holds until stop, which waits for its end.
func sweep(ctx context.Context, service *order.Service) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { service.SweepHolds(ctx) })
	return func() {
		cancel()
		sweeping.Wait()
	}
}

// serve listens, serves until ctx ends, and stops in the order that loses
// nothing: not ready, no new connections, requests in flight answered. The
// leases and pools are closed by the caller after that.
func (c *serveCommand) serve(ctx context.Context, log *slog.Logger, health *order.Health, api, admin http.Handler) error {
	apiServer, adminServer := newServer(api), newServer(admin)
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
	go func() { failed <- apiServer.Serve(apiListener) }()
	go func() { failed <- adminServer.Serve(adminListener) }()
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
	time.Sleep(c.DrainDelay) // nothing to wait for: balancers ask, and do not tell what they saw
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainLimit)
	defer cancel()
	if err := apiServer.Shutdown(stopping); err != nil {
		apiServer.Close()
		return fmt.Errorf("requests were still in flight after %s: %w", drainLimit, err)
	}
	log.Info("stopped")
	return nil
}

func listen(ctx context.Context, flag, address string) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flag, err)
	}
	return l, nil
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second, // longer than any request may take, and than a CPU profile
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
	}
}
