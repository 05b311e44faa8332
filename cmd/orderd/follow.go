package main

import (
	"context"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"

	"orderd/internal/stock"
)

// followLedger starts the readers of the ledger that are configured: the reconciler and the
// event relay. stop ends them and waits for that.
func (c *serveCommand) followLedger(
	ctx context.Context, s *servers, store *stock.Store, cache *stock.Cache, log *slog.Logger, reg prometheus.Registerer,
) (stop func(), err error) {
	ends := func() {}
	if c.EventsStream != "" {
		events, err := c.openEventsRedis()
		if err != nil {
			return nil, err
		}
		s.redis("events", events)
		stopped := inBackground(ctx, stock.NewRelay(s.db, events, c.EventsStream, c.EventsMaxLength, log, reg).Run)
		ends = func() {
			stopped()
			events.Close()
		}
	}
	if c.ReconcileEvery == 0 {
		return ends, nil
	}
	stopped := inBackground(ctx, stock.NewReconciler(s.db, store, cache, c.ReconcileEvery, log, reg).Run)
	return func() {
		stopped()
		ends()
	}, nil
}
