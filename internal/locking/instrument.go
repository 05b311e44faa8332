package locking

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type instrumented struct {
	locker   Locker
	wait     *prometheus.HistogramVec
	hold     prometheus.Observer
	waiters  prometheus.Gauge
	lost     *prometheus.CounterVec
	releases *prometheus.CounterVec
}

// Instrument returns l with its waits, holds, losses and wake-ups counted in reg, by mode and
// never by key: keys come from outside, and there may be any number of them.
func Instrument(l Locker, mode Mode, reg prometheus.Registerer) Locker {
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:                            name,
			Help:                            help,
			ConstLabels:                     prometheus.Labels{"mode": string(mode)},
			Buckets:                         prometheus.ExponentialBuckets(0.0001, 2.5, 14),
			NativeHistogramBucketFactor:     1.1,
			NativeHistogramMaxBucketNumber:  160,
			NativeHistogramMinResetDuration: time.Hour,
		}, labels)
	}
	labels := prometheus.Labels{"mode": string(mode)}
	wait := histogram("orderd_lock_wait_seconds",
		"Time from asking for keys to the answer, by outcome.", "outcome")
	hold := histogram("orderd_lock_hold_seconds",
		"Time from the grant of a lease to the end of its release.")
	waiters := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "orderd_lock_waiters", ConstLabels: labels,
		Help: "Callers that are waiting for a lease now.",
	})
	lost := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderd_lock_lost_total", ConstLabels: labels,
		Help: "Leases that ended before their holder released them, by reason.",
	}, []string{"reason"})
	releases := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderd_lock_releases_total", ConstLabels: labels,
		Help: "Releases, by outcome.",
	}, []string{"outcome"})
	for _, err := range []error{nil, ErrBusy, ErrLost, ErrUnavailable} {
		wait.WithLabelValues(outcome(err, "granted"))
	}
	for _, cause := range []error{errExpired, errTaken, errSession, errClosed} {
		lost.WithLabelValues(lossReason(cause))
	}
	for _, err := range []error{nil, ErrLost, ErrUnknown} {
		releases.WithLabelValues(outcome(err, "released"))
	}
	reg.MustRegister(wait, hold, waiters, lost, releases)
	if w, ok := l.(interface{ woken(wakeCause) int64 }); ok {
		for cause, name := range wakeNames {
			reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
				Name:        "orderd_lock_wakeups_total",
				Help:        "Times a waiter woke up, by cause.",
				ConstLabels: prometheus.Labels{"mode": string(mode), "cause": name},
			}, func() float64 { return float64(w.woken(wakeCause(cause))) }))
		}
	}
	return &instrumented{l, wait, hold.WithLabelValues(), waiters, lost, releases}
}

// Acquire implements Locker.
func (i *instrumented) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	i.waiters.Inc()
	asked := time.Now()
	l, err := i.locker.Acquire(ctx, keys...)
	granted := time.Now()
	i.waiters.Dec()
	i.wait.WithLabelValues(outcome(err, "granted")).Observe(granted.Sub(asked).Seconds())
	if err != nil {
		return nil, err
	}
	if l.life != nil {
		context.AfterFunc(l.life, func() {
			i.lost.WithLabelValues(lossReason(context.Cause(l.life))).Inc()
		})
	}
	l.onRelease(func(err error) {
		i.hold.Observe(time.Since(granted).Seconds())
		i.releases.WithLabelValues(outcome(err, "released")).Inc()
	})
	return l, nil
}

// Close implements Locker.
func (i *instrumented) Close() error { return i.locker.Close() }

// lossReason returns the label for what ended a lease.
func lossReason(cause error) string {
	switch {
	case errors.Is(cause, errExpired):
		return "expired"
	case errors.Is(cause, errTaken):
		return "taken"
	case errors.Is(cause, errSession):
		return "session"
	default:
		return "closed"
	}
}

// outcome returns the label for err, or success if err is nil.
func outcome(err error, success string) string {
	switch {
	case err == nil:
		return success
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, ErrLost):
		return "lost"
	case errors.Is(err, ErrUnknown):
		return "unknown"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	default:
		return "invalid"
	}
}
