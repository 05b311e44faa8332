package locking_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestInstrument(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	l := locking.Instrument(locking.NewLocal(), locking.ModeLocal, reg)
	lease := mustHold(t, l, "secret")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Acquire(ctx, "secret"); !errors.Is(err, locking.ErrBusy) {
		t.Fatalf("Acquire() = %v, want ErrBusy", err)
	}
	for range 2 {
		lockingtest.MustRelease(t, lease)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	if problems, err := testutil.GatherAndLint(reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	want := `
# HELP orderd_lock_lost_total Leases that ended before their holder released them, by reason.
# TYPE orderd_lock_lost_total counter
orderd_lock_lost_total{mode="local",reason="closed"} 0
orderd_lock_lost_total{mode="local",reason="expired"} 0
orderd_lock_lost_total{mode="local",reason="session"} 0
orderd_lock_lost_total{mode="local",reason="taken"} 0
# HELP orderd_lock_releases_total Releases, by outcome.
# TYPE orderd_lock_releases_total counter
orderd_lock_releases_total{mode="local",outcome="lost"} 0
orderd_lock_releases_total{mode="local",outcome="released"} 1
orderd_lock_releases_total{mode="local",outcome="unknown"} 0
# HELP orderd_lock_waiters Callers that are waiting for a lease now.
# TYPE orderd_lock_waiters gauge
orderd_lock_waiters{mode="local"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "orderd_lock_lost_total",
		"orderd_lock_releases_total", "orderd_lock_waiters"); err != nil {
		t.Error(err)
	}
	got, wantWaits := waits(t, reg), map[string]uint64{"granted": 1, "busy": 1, "lost": 0, "unavailable": 0}
	if !maps.Equal(got, wantWaits) {
		t.Errorf("waits by outcome are %v, want %v", got, wantWaits)
	}
}

// waits returns how many waits were counted, by outcome.
func waits(t *testing.T, reg *prometheus.Registry) map[string]uint64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]uint64{}
	for _, f := range families {
		if f.GetName() != "orderd_lock_wait_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" {
					counts[l.GetValue()] = m.GetHistogram().GetSampleCount()
				}
			}
		}
	}
	return counts
}

func TestInstrument_lostLease(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	reg := prometheus.NewRegistry()
	l := locking.Instrument(openRedis(t, url, ttl), locking.ModeRedis, reg)
	lease := mustHold(t, l, "a")
	redisClient(t, url).Del(t.Context(), redisLock("a"))
	<-lease.Lost()
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
	want := `
# HELP orderd_lock_lost_total Leases that ended before their holder released them, by reason.
# TYPE orderd_lock_lost_total counter
orderd_lock_lost_total{mode="redis",reason="closed"} 0
orderd_lock_lost_total{mode="redis",reason="expired"} 0
orderd_lock_lost_total{mode="redis",reason="session"} 0
orderd_lock_lost_total{mode="redis",reason="taken"} 1
# HELP orderd_lock_releases_total Releases, by outcome.
# TYPE orderd_lock_releases_total counter
orderd_lock_releases_total{mode="redis",outcome="lost"} 1
orderd_lock_releases_total{mode="redis",outcome="released"} 0
orderd_lock_releases_total{mode="redis",outcome="unknown"} 0
`
	deadline := time.After(10 * time.Second)
	for {
		err := testutil.GatherAndCompare(reg, strings.NewReader(want),
			"orderd_lock_lost_total", "orderd_lock_releases_total")
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatal(err)
		case <-time.After(time.Millisecond):
		}
	}
}
