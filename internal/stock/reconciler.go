package stock

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
)

const (
	// passLimit bounds one pass, whatever hangs.
	passLimit = 10 * time.Second
	// changesMax is how many movements one pass reads at most.
	changesMax = 100_000
	// pagesMax is how many pages the walk checks in one pass while it finds many suspects: an
	// emptied Redis is refilled at this pace.
	pagesMax = 10
)

// A Reconciler keeps repairing Redis from Postgres. It checks each SKU that has changed, as
// soon as its order should have written it back, and walks through the whole stock, a page in
// each pass, to find what else went wrong: a flush, a manual edit in Redis, a Postgres restored
// to an earlier state.
//
// Every replica runs one. They take turns: each pass is made by the replica that comes first,
// and continues where the last one stopped. Two at once would do no harm.
type Reconciler struct {
	comparison
	reader reader
	every  time.Duration
	log    *slog.Logger

	drifts   *prometheus.CounterVec
	failures prometheus.Counter
	lastPass prometheus.Gauge
}

// NewReconciler returns a reconciler that makes a pass at each interval. Its metrics are
// registered in reg.
func NewReconciler(
	db *pgxpool.Pool, store *Store, cache *Cache, every time.Duration, log *slog.Logger, reg prometheus.Registerer,
) *Reconciler {
	r := &Reconciler{
		comparison: comparison{store, cache}, reader: reader{db, "reconciler"}, every: every, log: log,
		drifts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderd_stock_drift_total",
			Help: "SKUs whose level in Redis was found wrong, by direction: high (more than Postgres has), low, missing, version (the level itself is right).",
		}, []string{"direction"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_reconcile_failures_total",
			Help: "Passes of the reconciler that were given up, for Postgres or Redis did not answer.",
		}),
		lastPass: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "orderd_reconcile_last_pass_timestamp_seconds",
			Help: "When this replica last completed a pass of the reconciler, or started, if it has not yet; the replicas take turns.",
		}),
	}
	for _, d := range Directions {
		r.drifts.WithLabelValues(string(d))
	}
	reg.MustRegister(r.drifts, r.failures, r.lastPass)
	r.lastPass.SetToCurrentTime() // so that an alert need not wait for a first pass that never completes
	return r
}

// Run makes passes until ctx ends. After a failed one it tries again at the next tick.
func (r *Reconciler) Run(ctx context.Context) {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		if err := r.pass(ctx); err != nil && ctx.Err() == nil {
			r.failures.Inc()
			r.log.WarnContext(ctx, "Redis could not be compared with Postgres", "err", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// A turn is the reconciler's progress through the ledger and the stock, as of the last pass and
// then of this one.
type turn struct {
	position int64
	walked   string
}

func (r *Reconciler) pass(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, passLimit)
	defer cancel()
	t, mine, err := r.claim(ctx)
	if err != nil || !mine {
		return err
	}
	found := suspects{}
	if err := r.changes(ctx, &t, found); err != nil {
		return err
	}
	if err := r.walk(ctx, &t, found); err != nil {
		return err
	}
	if err := r.confirm(ctx, found, func(drifts []Drift) error { return r.repair(ctx, drifts) }); err != nil {
		return err
	}
	if err := r.keep(ctx, t); err != nil {
		return err
	}
	r.lastPass.SetToCurrentTime()
	return nil
}

// claim takes the turn unless it was taken just now. No lock is held: the turn of a replica
// that dies or freezes is over when the next one is due.
func (r *Reconciler) claim(ctx context.Context) (t turn, mine bool, err error) {
	if err := r.reader.register(ctx); err != nil { // each time: the row may have been deleted
		return turn{}, false, err
	}
	// Less than a whole interval, since the replicas' tickers are not in step. A read_at in the
	// future, after Postgres' clock was set back, does not count as just now.
	err = r.reader.db.QueryRow(ctx, `
		UPDATE ledger_readers SET read_at = clock_timestamp()
		WHERE name = $1 AND read_at NOT BETWEEN clock_timestamp() - $2::interval AND clock_timestamp()
		RETURNING position, walked`, r.reader.name, r.every*3/4).Scan(&t.position, &t.walked)
	if errors.Is(err, pgx.ErrNoRows) {
		return turn{}, false, nil
	}
	return t, err == nil, Unavailable("take the reconciler's turn", err)
}

// changes checks the SKUs that changed since the last pass.
func (r *Reconciler) changes(ctx context.Context, t *turn, found suspects) error {
	m, err := r.reader.mark(ctx)
	if err != nil || m.id <= t.position {
		return err
	}
	settled, err := r.reader.settled(ctx, m)
	if err != nil {
		return err
	}
	upTo := min(m.id, t.position+changesMax)
	rows, err := r.reader.db.Query(ctx, `
		SELECT sku, max(version) FROM movements WHERE id > $1 AND id <= $2 GROUP BY sku`, t.position, upTo)
	if err != nil {
		return Unavailable("read the changes", err)
	}
	versions := map[string]int64{}
	var sku string
	var version int64
	_, err = pgx.ForEachRow(rows, []any{&sku, &version}, func() error {
		versions[sku] = version
		return nil
	})
	if err != nil {
		return Unavailable("read the changes", err)
	}
	if settled { // otherwise these rows, and those still to appear, are read again
		t.position = upTo
	}
	return r.reached(ctx, versions, found)
}

// walk checks the next page of the stock, and further ones while a tenth of a page is suspect.
func (r *Reconciler) walk(ctx context.Context, t *turn, found suspects) error {
	for range pagesMax {
		before := len(found)
		var err error
		if t.walked, err = r.page(ctx, t.walked, found); err != nil {
			return err
		}
		if t.walked == "" || len(found)-before < driftPage/10 {
			return nil
		}
	}
	return nil
}

// repair removes from Redis what cannot be right, and writes the levels of Postgres. It reads
// those after the removal: a level that is committed later is written back by its order, and
// nothing is left in Redis to refuse it.
func (r *Reconciler) repair(ctx context.Context, drifts []Drift) error {
	var skus []string
	var wrong []Level
	count := map[Direction]int{}
	for _, d := range drifts {
		count[d.Direction]++
		skus = append(skus, d.Postgres.SKU)
		if d.Direction == Missing || d.Redis.Version >= d.Postgres.Version {
			wrong = append(wrong, d.Redis)
		}
	}
	r.log.WarnContext(ctx, "levels in Redis differ from Postgres and are being repaired",
		"high", count[High], "low", count[Low], "missing", count[Missing], "version", count[Version],
		"sku", drifts[0].Postgres.SKU, "in_redis", drifts[0].Redis.OnHand, "redis_version", drifts[0].Redis.Version,
		"in_postgres", drifts[0].Postgres.OnHand, "postgres_version", drifts[0].Postgres.Version)
	if err := r.cache.forget(ctx, wrong...); err != nil {
		return err
	}
	levels, err := r.store.Levels(ctx, skus)
	if err != nil {
		return err
	}
	if err := r.cache.PutNewer(ctx, levels...); err != nil {
		return err
	}
	// Not before: what cannot be repaired is found again in each pass.
	for direction, n := range count {
		r.drifts.WithLabelValues(string(direction)).Add(float64(n))
	}
	return nil
}

// keep stores the progress of a pass. If it is lost, as in a failover of Postgres, the same
// SKUs are checked again.
func (r *Reconciler) keep(ctx context.Context, t turn) error {
	_, err := r.reader.db.Exec(ctx, `
		UPDATE ledger_readers SET position = greatest(position, $2), walked = $3 WHERE name = $1`,
		r.reader.name, t.position, t.walked)
	return Unavailable("keep the reconciler's place", err)
}
