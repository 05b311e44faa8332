package order

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts the outcomes of orders. Labels have fixed sets of values: never a SKU.
type Metrics struct {
	orders     *prometheus.CounterVec
	oversold   prometheus.Counter
	retries    *prometheus.CounterVec
	changes    *prometheus.CounterVec
	sweeps     prometheus.Counter
	writeBacks prometheus.Counter
	groups     prometheus.Histogram
	steps      *prometheus.HistogramVec
	requests   *prometheus.HistogramVec
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		orders: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderd_orders_total",
			Help: "Orders by outcome: confirmed, held, replayed, or the code of the problem they were answered with.",
		}, []string{"outcome"}),
		oversold: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_oversold_units_total",
			Help: "Units that were sold and not there. Only SKUs without the guard predicate can lose any.",
		}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderd_db_tx_retries_total",
			Help: "Transactions that Postgres rolled back for a serialization failure or a deadlock, and that were tried again, by SQLSTATE.",
		}, []string{"sqlstate"}),
		changes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderd_order_changes_total",
			Help: "Orders that changed their status after they were placed, by the new one: confirmed (a hold was kept), cancelled, expired (a hold was swept).",
		}, []string{"status"}),
		sweeps: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_sweep_failures_total",
			Help: "Failed sweeps for expired holds.",
		}),
		writeBacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "orderd_stock_write_back_failures_total",
			Help: "Write-backs, of a group of orders or of a return, that did not reach Redis.",
		}),
		groups: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "orderd_group_orders",
			Help:    "Orders placed or refused with one lease and one transaction.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 9),
		}),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                           "orderd_group_step_seconds",
			Help:                           "Time that such a group, or an order by itself, spent, also if it failed: lane (the group's oldest order waited for it), lock, stock, commit.",
			Buckets:                        prometheus.ExponentialBuckets(0.0001, 2.5, 14),
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 160,
		}, []string{"step"}),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                           "http_server_request_duration_seconds",
			Help:                           "Duration of HTTP requests.",
			Buckets:                        []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10},
			NativeHistogramBucketFactor:    1.1,
			NativeHistogramMaxBucketNumber: 160,
		}, []string{"http_request_method", "http_route", "http_response_status_code"}),
	}
	reg.MustRegister(m.orders, m.oversold, m.retries, m.changes, m.sweeps, m.writeBacks, m.groups, m.steps, m.requests)
	m.begin()
	return m
}

// begin creates every counter at 0 with each value of its label, so that a query for its
// increase sees the first count.
func (m *Metrics) begin() {
	for _, outcome := range []string{StatusConfirmed, StatusHeld, "replayed", internalAnswer.code} {
		m.orders.WithLabelValues(outcome)
	}
	for _, a := range answers {
		m.orders.WithLabelValues(a.code)
	}
	for _, a := range frameworkAnswers {
		m.orders.WithLabelValues(a.code)
	}
	for _, status := range []string{StatusConfirmed, StatusCancelled, StatusExpired} {
		m.changes.WithLabelValues(status)
	}
	for _, code := range rolledBackCodes {
		m.retries.WithLabelValues(code)
	}
}

func (m *Metrics) placed(o Order, err error) {
	outcome := o.Status
	switch {
	case err != nil:
		outcome = answerTo(err).code
	case o.Replayed:
		outcome = "replayed"
	}
	m.orders.WithLabelValues(outcome).Inc()
	if err != nil || o.Replayed {
		return
	}
	for _, line := range o.Lines {
		if line.Remaining < 0 {
			m.oversold.Add(float64(min(line.Quantity, -line.Remaining)))
		}
	}
}

// turnedAway counts an order that was answered with a problem before it reached
// Service.Place.
func (m *Metrics) turnedAway(code string) { m.orders.WithLabelValues(code).Inc() }

// Collector returns the metric for the number of orders waiting in lanes.
func (l *Lanes) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orderd_lane_orders", Help: "Orders that wait in a lane for the next group.",
	}, func() float64 { return float64(l.Waiting()) })
}

// Collector returns the readiness metric. The dependencies are checked whenever the metrics
// are read.
func (h *Health) Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orderd_ready", Help: "1 if orders can be taken, as /readyz tells; 0 if not.",
	}, func() float64 {
		if h.draining.Load() || errors.Join(h.ask()...) != nil {
			return 0
		}
		return 1
	})
}

// observe records a duration. trace, unless empty, is attached as an exemplar.
func observe(histogram prometheus.Observer, took time.Duration, trace string) {
	if examples, ok := histogram.(prometheus.ExemplarObserver); ok && trace != "" {
		examples.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": trace})
		return
	}
	histogram.Observe(took.Seconds())
}

// changed counts orders whose status has changed to this one.
func (m *Metrics) changed(status string, orders int) {
	m.changes.WithLabelValues(status).Add(float64(orders))
}

func (m *Metrics) sweepFailed() { m.sweeps.Inc() }

func (m *Metrics) writeBackFailed() { m.writeBacks.Inc() }

// grouped records the size of a group that did not fail as a whole.
func (m *Metrics) grouped(orders int) { m.groups.Observe(float64(orders)) }

// stepped records the time of each step of a group, whether or not it failed.
func (m *Metrics) stepped(steps []step) {
	for _, s := range steps {
		m.steps.WithLabelValues(s.name).Observe(s.took.Seconds())
	}
}
