package stock

import (
	"context"
	"log/slog"
	"slices"
	"testing"

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
	db := OpenMigrated(t, stacktest.Postgres(t))
	options, err := redis.ParseURL(stacktest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { client.Close() })
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
