package stock

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

const (
	// eventBatch is how many events are delivered at once. While Redis takes a batch, two
	// milliseconds or so, it serves no one else.
	eventBatch = 512
	// eventPause is how long the relay sleeps after it has delivered everything, even if more
	// has come meanwhile: small batches cost the shop more than large ones.
	eventPause = 50 * time.Millisecond
	// eventTurn is how long the other replicas leave delivering to the one that delivered last.
	// Seeing that costs Postgres less than finding the settled end of the ledger.
	eventTurn = 4 * eventPause
	// eventRetry is how long the relay sleeps after an error.
	eventRetry = time.Second
	// deliveryLimit bounds the delivery of a batch, and each check for what to deliver.
	// Postgres ends the transaction of a frozen relay only later, after deliveryEnds, so that
	// no other relay can continue before this one has given up.
	deliveryLimit = 3 * time.Second
	deliveryEnds  = "6s"
)

// A Relay delivers an event for each movement of the ledger to a Redis stream: at least once,
// and those of one SKU in version order.
//
// The ledger is the outbox. A movement is written in the transaction that changes the level,
// and the relay reads only up to where no further row can appear among those read. Its position
// is a row in Postgres: the replica that locks it delivers the next batch, and the others skip
// it.
//
// A relay that dies between delivering a batch and storing the position leaves the batch to be
// delivered again, whole and in order, with the same ids.
type Relay struct {
	reader    reader
	redis     redis.UniversalClient
	stream    string
	maxLength int64
	log       *slog.Logger

	registered bool
	position   int64 // of the last event that this replica delivered
	delivered  prometheus.Counter
	failures   prometheus.Counter
	backlog    prometheus.Gauge
	lag        prometheus.Gauge
}

// NewRelay returns a relay to the stream, which is trimmed to about maxLength entries. A stream
// that has had no delivery yet starts with the movements from now on. Metrics are registered in
// reg.
func NewRelay(
	db *pgxpool.Pool, client redis.UniversalClient, stream string, maxLength int64, log *slog.Logger, reg prometheus.Registerer,
) *Relay {
	r := &Relay{
		reader: reader{db, "events " + stream}, redis: client, stream: stream, maxLength: maxLength, log: log,
		delivered: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_events_delivered_total", Help: "Events that this replica delivered to the stream, repeats included.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_events_failures_total", Help: "Times that this replica could not deliver; nothing is lost, it tries again.",
		}),
		backlog: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderd_events_backlog", Help: "Events that wait to be delivered, as ids: never fewer than there are.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderd_events_lag_seconds", Help: "Age of the oldest event that waits to be delivered; 0 if none does.",
		}),
	}
	reg.MustRegister(r.delivered, r.failures, r.backlog, r.lag)
	return r
}

// Run delivers until ctx ends. What fails is retried.
func (r *Relay) Run(ctx context.Context) {
	for ctx.Err() == nil {
		rest := eventPause
		if err := r.round(ctx); err != nil && ctx.Err() == nil {
			r.failures.Inc()
			r.log.WarnContext(ctx, "events could not be delivered", "stream", r.stream, "err", err)
			rest = eventRetry
		}
		_ = pause(ctx, rest) // its only error: ctx has ended
	}
}

// round delivers all events that are settled now, unless another replica is delivering them.
func (r *Relay) round(ctx context.Context) error {
	if err := r.register(ctx); err != nil {
		return err
	}
	waiting, err := r.measure(ctx)
	if err != nil || !waiting {
		return err
	}
	m, err := within(ctx, r.reader.mark)
	if err != nil {
		return err
	}
	settled, err := within(ctx, func(ctx context.Context) (bool, error) { return r.reader.settled(ctx, m) })
	if err != nil || !settled {
		return err
	}
	for n := eventBatch; n == eventBatch; {
		if n, err = r.deliver(ctx, m); err != nil {
			return err
		}
		if _, err := r.measure(ctx); err != nil {
			return err
		}
	}
	return nil
}

// register has the stream begin with what happens from now on, unless it has begun already.
func (r *Relay) register(ctx context.Context) error {
	if r.registered {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	err := r.reader.register(ctx)
	r.registered = err == nil
	return err
}

// within bounds one step in which Postgres may not answer. A round as a whole has no limit:
// there may be much to deliver.
func within[T any](ctx context.Context, look func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	return look(ctx)
}

// measure updates the backlog metrics, and reports whether events are waiting that no other
// replica has just been delivering.
func (r *Relay) measure(ctx context.Context) (waiting bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	var position, end int64
	var age float64
	var recently bool // and not in the future, should the clock have been set back
	err = r.reader.db.QueryRow(ctx, `
		SELECT position, coalesce((SELECT max(id) FROM movements), 0), coalesce((
			SELECT extract(epoch FROM greatest(clock_timestamp() - at, '0'))::float8
			FROM movements WHERE id > position ORDER BY id LIMIT 1
		), 0), read_at BETWEEN clock_timestamp() - $2::interval AND clock_timestamp()
		FROM ledger_readers WHERE name = $1`, r.reader.name, eventTurn).Scan(&position, &end, &age, &recently)
	if errors.Is(err, pgx.ErrNoRows) { // the row was deleted: start anew
		r.registered = false
		return false, nil
	}
	if err != nil {
		return false, Unavailable("find what is not delivered yet", err)
	}
	r.backlog.Set(float64(max(0, end-position)))
	r.lag.Set(age)
	return end > position && (position == r.position || !recently), nil
}

// deliver delivers the next batch up to the mark and returns the number of events: 0 if there
// are none, or if another replica is delivering.
func (r *Relay) deliver(ctx context.Context, upTo mark) (n int, err error) {
	ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
	defer cancel()
	err = pgx.BeginFunc(ctx, r.reader.db, func(tx pgx.Tx) error {
		var position int64
		var replicated bool
		// A crash of Postgres may lose the new position: the batch is then delivered again.
		_, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = off;
			SET LOCAL idle_in_transaction_session_timeout = '`+deliveryEnds+`'`)
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			SELECT position, current_setting('synchronous_standby_names') <> '' FROM ledger_readers
			WHERE name = $1 FOR UPDATE SKIP LOCKED`, r.reader.name).Scan(&position, &replicated)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, eventsAfter, position, upTo.id, eventBatch)
		if err != nil {
			return err
		}
		events, err := pgx.CollectRows(rows, scanEvent)
		if err != nil || len(events) == 0 {
			return err
		}
		if replicated { // what is visible may have been broken off while it waited for a standby
			if err := WaitDurable(ctx, r.reader.db); err != nil {
				return err
			}
		}
		if err := r.append(ctx, events); err != nil {
			return err
		}
		n = len(events)
		r.position = events[n-1].id
		_, err = tx.Exec(ctx, `UPDATE ledger_readers SET position = $2, read_at = now() WHERE name = $1`,
			r.reader.name, r.position)
		return err
	})
	if err != nil {
		return 0, Unavailable("deliver events", err)
	}
	r.delivered.Add(float64(n))
	return n, nil
}

// append adds the events to the stream, all or none: behind a gap, later events would already
// be in the stream when the missing ones are delivered again.
func (r *Relay) append(ctx context.Context, events []event) error {
	_, err := r.redis.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, e := range events {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: r.stream, MaxLen: r.maxLength, Approx: true, Values: e.fields()})
		}
		return nil
	})
	return err
}
