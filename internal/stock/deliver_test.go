package stock

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"orderd/internal/stack/stacktest"
)

// A pipelineLog has the names of the commands of each pipeline.
type pipelineLog struct{ sent [][]string }

// DialHook implements redis.Hook.
func (*pipelineLog) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (*pipelineLog) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (l *pipelineLog) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		names := make([]string, len(commands))
		for i, command := range commands {
			names[i] = command.Name()
		}
		l.sent = append(l.sent, names)
		return next(ctx, commands)
	}
}

// A batch ends at the mark, below which no row can appear any more, reaches Redis as a whole or
// not at all, and is nobody else's meanwhile.
func TestRelay_DeliversUpToTheMarkAtOnceAndAlone(t *testing.T) {
	t.Parallel()
	db := OpenMigrated(t, stacktest.MigratedPostgres(t))
	client := OpenRedis(t)
	log := &pipelineLog{}
	client.AddHook(log)
	r := NewRelay(db, client, "events", 100, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := r.reader.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		SELECT 'A', 0, 'test', 1, n, 'r' FROM generate_series(1, 3) AS n`); err != nil {
		t.Fatal(err)
	}
	if n, err := r.deliver(t.Context(), mark{id: 2}); n != 2 || err != nil {
		t.Errorf("deliver up to 2 = %d, %v; want 2", n, err)
	}
	if batch := []string{"multi", "xadd", "xadd", "exec"}; !slices.ContainsFunc(log.sent, func(sent []string) bool { return slices.Equal(sent, batch) }) {
		t.Errorf("sent %v, want %v among them", log.sent, batch)
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()
	if _, err := tx.Exec(t.Context(), "SELECT FROM ledger_readers FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	if n, err := r.deliver(t.Context(), mark{id: 3}); n != 0 || err != nil {
		t.Errorf("deliver while another replica does = %d, %v; want none", n, err)
	}
}

// A frozen hook holds up a delivery, as if orderd were stopped in the middle of it.
type frozen struct{ until func() }

// DialHook implements redis.Hook.
func (frozen) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook implements redis.Hook.
func (frozen) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (f frozen) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		f.until()
		return next(ctx, commands)
	}
}

// Postgres ends the transaction of a relay that froze while it delivered: it has the ledger's
// place, for which the others wait. What it then still delivers is delivered again.
func TestRelay_AFrozenDeliveryEnds(t *testing.T) {
	t.Parallel()
	db := OpenMigrated(t, stacktest.MigratedPostgres(t))
	client := OpenRedis(t)
	r := NewRelay(db, client, "events", 100, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err := r.reader.register(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(t.Context(), `INSERT INTO movements (sku, delta, reason, on_hand, version, replica)
		VALUES ('A', 0, 'test', 1, 1, 'r')`); err != nil {
		t.Fatal(err)
	}
	open := func() (n int) {
		if err := db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND state = 'idle in transaction'`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	var first sync.Once
	client.AddHook(frozen{until: func() {
		first.Do(func() {
			if open() != 1 {
				t.Error("no transaction is open while events are delivered")
			}
			for deadline := time.Now().Add(20 * time.Second); open() > 0; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Error("the transaction of a frozen relay does not end")
					return
				}
			}
		})
	}})
	if n, err := r.deliver(t.Context(), mark{id: 1}); n != 0 || !errors.Is(err, ErrUnavailable) {
		t.Errorf("deliver = %d, %v; want ErrUnavailable", n, err)
	}
	if n, err := r.deliver(t.Context(), mark{id: 1}); n != 1 || err != nil {
		t.Errorf("deliver once more = %d, %v; want the same event", n, err)
	}
}
