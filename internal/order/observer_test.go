package order_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/order"
	"orderd/internal/stock"
)

// An observer is called with each statement, and each batch as "", right before it is sent to
// Postgres.
type observer func(ctx context.Context, sql string)

// TraceQueryStart implements pgx.QueryTracer.
func (o observer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	o(ctx, q.SQL)
	return ctx
}

// TraceQueryEnd implements pgx.QueryTracer.
func (observer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// TraceBatchStart implements pgx.BatchTracer.
func (o observer) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	o(ctx, "")
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (observer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd implements pgx.BatchTracer.
func (observer) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// observe has the shop's Postgres call o from now on.
func (s *shop) observe(t *testing.T, o observer) {
	t.Helper()
	config := s.db.Config()
	config.ConnConfig.Tracer = o
	db, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s.Store, s.Ledger = stock.NewStore(db, "r1"), order.NewLedger(db, "r1")
	s.Cache, s.Shortages = stock.NewCache(s.redis, s.Store), stock.NewShortages(s.Store)
	s.health = order.NewHealth(s.Log, order.Check{Name: "postgres", Ask: s.Store.Ping})
	s.serve(t, nil, nil)
}
