// Package alertstest runs the rules of deploy/alerts.yml as Prometheus does. It is a module of its own,
// for Prometheus' libraries, which orderd does without.
package alertstest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
)

const every = 15 * time.Second // how often rules are evaluated

// healthy is an hour of two replicas with nothing to complain of: ten orders a second, and robots that
// ask a hundred times as often for what is sold out. Requests that clients have got wrong are plenty.
const healthy = `
load 15s
	up{job="orderd", instance="r1"}                                       1x240
	up{job="orderd", instance="r2"}                                       1x240
	orderd_ready{instance="r1"}                                           1x240
	orderd_ready{instance="r2"}                                           1x240
	orderd_oversold_units_total{instance="r1"}                            0x240
	orderd_orders_total{outcome="confirmed"}                              0+150x240
	orderd_orders_total{outcome="held"}                                   0+1x240
	orderd_orders_total{outcome="sold_out"}                               0+15000x240
	orderd_orders_total{outcome="rate_limited"}                           0+15000x240
	orderd_orders_total{outcome="unavailable"}                            0x240
	orderd_orders_total{outcome="lease_lost"}                             0x240
	orderd_orders_total{outcome="internal"}                               0x240
	orderd_orders_total{outcome="outcome_unknown"}                        0x240
	orderd_orders_total{outcome="busy"}                                   0x240
	http_server_request_duration_seconds_count{http_route="/v1/orders/{id}/cancel", http_response_status_code="200"} 0+15x240
	http_server_request_duration_seconds_count{http_route="/v1/orders/{id}/cancel", http_response_status_code="422"} 0+15x240
	http_server_request_duration_seconds_count{http_route="/v1/locks/{sku}", http_response_status_code="501"}        0+15x240
	http_server_request_duration_seconds_count{http_route="/readyz", http_response_status_code="503"}                0+15x240
	orderd_lock_lost_total{mode="redis", reason="expired"}                0x240
	orderd_lock_lost_total{mode="redis", reason="closed"}                 0+1x240
	orderd_lock_wait_seconds_bucket{outcome="granted", le="0.1"}          0+150x240
	orderd_lock_wait_seconds_bucket{outcome="granted", le="0.954"}        0+150x240
	orderd_lock_wait_seconds_bucket{outcome="granted", le="2.384"}        0+150x240
	orderd_lock_wait_seconds_bucket{outcome="granted", le="+Inf"}         0+150x240
	orderd_group_step_seconds_bucket{step="commit", le="0.1"}             0+150x240
	orderd_group_step_seconds_bucket{step="commit", le="0.3815"}          0+150x240
	orderd_group_step_seconds_bucket{step="commit", le="0.954"}           0+150x240
	orderd_group_step_seconds_bucket{step="commit", le="+Inf"}            0+150x240
	orderd_stock_drift_total{direction="high"}                            0x240
	orderd_stock_drift_total{direction="missing"}                         0+100x240
	orderd_reconcile_last_pass_timestamp_seconds                          0+15x240
	orderd_events_lag_seconds                                             1x240
	orderd_events_failures_total{instance="r1"}                           0x240
	orderd_sweep_failures_total{instance="r1"}                            0x240
	orderd_db_pool_acquired_connections{instance="r1"}                    3x240
	orderd_db_pool_max_connections{instance="r1"}                         16x240
`

// faults are what replaces the healthy series of the same names and labels, and the alerts that are to
// fire, and no others, by the end of the hour. "A_BxN" are values as promtool's tests have them.
var faults = map[string]struct {
	series []string
	alerts []string
}{
	"nothing":                          {nil, nil},
	"units that are not there":         {[]string{`orderd_oversold_units_total{instance="r1"} 0x230 1x10`}, []string{"OrderdOversold"}},
	"no replica is ready":              {[]string{`orderd_ready{instance="r1"} 1x200 0x40`, `orderd_ready{instance="r2"} 1x200 0x40`}, []string{"OrderdNotReady", "OrderdReplicaNotReady"}},
	"one is not ready":                 {[]string{`orderd_ready{instance="r1"} 1x200 0x40`}, []string{"OrderdReplicaNotReady"}},
	"one was replaced":                 {[]string{`orderd_ready{instance="r1"} 1x200 0x4 1x36`}, nil},
	"one does not answer":              {[]string{`up{job="orderd", instance="r1"} 1x200 0x40`, `orderd_ready{instance="r1"} 1x200 _x40`}, []string{"OrderdReplicaDown"}},
	"none answers":                     {[]string{`up{job="orderd", instance="r1"} 1x200 0x40`, `up{job="orderd", instance="r2"} 1x200 0x40`, `orderd_ready{instance="r1"} 1x200 _x40`, `orderd_ready{instance="r2"} 1x200 _x40`}, []string{"OrderdNotReady", "OrderdReplicaDown"}},
	"one has gone":                     {[]string{`up{job="orderd", instance="r1"} 1x200 _x40`, `orderd_ready{instance="r1"} 1x200 _x40`}, []string{"OrderdReplicaGone"}},
	"all have gone":                    {[]string{`up{job="orderd", instance="r1"} 1x200 _x40`, `up{job="orderd", instance="r2"} 1x200 _x40`, `orderd_ready{instance="r1"} 1x200 _x40`, `orderd_ready{instance="r2"} 1x200 _x40`}, []string{"OrderdNotReady"}},
	"no order is placed":               {[]string{`orderd_orders_total{outcome="confirmed"} 0+150x200 30000x40`, `orderd_orders_total{outcome="held"} 0x240`, `orderd_orders_total{outcome="unavailable"} 0x200 0+15x40`}, []string{"OrderdFailing"}},
	"outcomes are unknown":             {[]string{`orderd_orders_total{outcome="confirmed"} 0+150x200 30000x40`, `orderd_orders_total{outcome="held"} 0x240`, `orderd_orders_total{outcome="outcome_unknown"} 0x200 0+15x40`}, []string{"OrderdFailing", "OrderdOutcomeUnknown"}},
	"leases do not last":               {[]string{`orderd_orders_total{outcome="lease_lost"} 0x200 0+15x40`, `orderd_lock_lost_total{mode="redis", reason="expired"} 0x200 0+1x40`}, []string{"OrderdFailing", "OrderdLeasesLost"}},
	"a bug":                            {[]string{`orderd_orders_total{outcome="internal"} 0x200 0+15x40`}, []string{"OrderdFailing"}},
	"one in a thousand fails":          {[]string{`orderd_orders_total{outcome="unavailable"} 0+0.15x240`}, nil},
	"a rush":                           {[]string{`orderd_orders_total{outcome="busy"} 0x200 0+30x40`}, []string{"OrderdBusy"}},
	"cancels fail":                     {[]string{`http_server_request_duration_seconds_count{http_route="/v1/orders/{id}/cancel", http_response_status_code="500"} 0x200 0+15x40`}, []string{"OrderdRequestsFail"}},
	"the lock is waited for":           {[]string{`orderd_lock_wait_seconds_bucket{outcome="granted", le="0.1"} 0x240`, `orderd_lock_wait_seconds_bucket{outcome="granted", le="0.954"} 0x240`}, []string{"OrderdLockWait"}},
	"commits are slow":                 {[]string{`orderd_group_step_seconds_bucket{step="commit", le="0.1"} 0x240`, `orderd_group_step_seconds_bucket{step="commit", le="0.3815"} 0x240`}, []string{"OrderdCommitLatency"}},
	"Redis is wrong":                   {[]string{`orderd_stock_drift_total{direction="high"} 0x200 0+10x40`}, []string{"OrderdStockDrift"}},
	"nobody compares Redis":            {[]string{`orderd_reconcile_last_pass_timestamp_seconds 0+15x200 3000x40`}, []string{"OrderdReconcilerStuck"}},
	"events are late":                  {[]string{`orderd_events_lag_seconds 1x200 100x40`}, []string{"OrderdEventsLag"}},
	"events fail":                      {[]string{`orderd_events_failures_total{instance="r1"} 0x200 0+4x40`}, []string{"OrderdEventsFail"}},
	"sweeps fail":                      {[]string{`orderd_sweep_failures_total{instance="r1"} 0x200 0+3x40`}, []string{"OrderdSweepsFail"}},
	"the pool is full":                 {[]string{`orderd_db_pool_acquired_connections{instance="r1"} 3x200 16x40`}, []string{"OrderdPostgresPoolFull"}},
	"a pool that was full for a while": {[]string{`orderd_db_pool_acquired_connections{instance="r1"} 3x200 16x10 3x30`}, nil},
}

func TestAlerts(t *testing.T) {
	var fired []string
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			firing := evaluate(t, load(t, healthyExcept(t, fault.series)))
			if want := slices.Sorted(slices.Values(fault.alerts)); !slices.Equal(firing, want) {
				t.Errorf("%q fire, want %q", firing, want)
			}
			fired = append(fired, firing...)
		})
	}
	all := load(t, healthy).AlertingRules()
	for _, alert := range all {
		if !slices.Contains(fired, alert.Name()) {
			t.Errorf("no fault here lets %s fire", alert.Name())
		}
	}
	if len(all) < 10 {
		t.Errorf("there are %d alerts, want to have found them", len(all))
	}
}

// healthyExcept is the healthy hour with some of its series replaced.
func healthyExcept(t *testing.T, series []string) string {
	t.Helper()
	lines := strings.Split(healthy, "\n")
	for _, other := range series {
		at := slices.IndexFunc(lines, func(line string) bool {
			return line != "" && nameOf(strings.TrimSpace(line)) == nameOf(other)
		})
		if at < 0 { // one that a healthy orderd does not have yet
			at = len(lines) - 1
			lines = append(lines, "")
		}
		lines[at] = "\t" + other
	}
	return strings.Join(lines, "\n")
}

// nameOf returns the name and the labels of a series, which its values follow.
func nameOf(series string) string {
	if end := strings.LastIndex(series, "}"); end >= 0 {
		return series[:end]
	}
	name, _, _ := strings.Cut(series, " ")
	return name
}

// load loads the rules, and the series that they are about.
func load(t *testing.T, series string) *rules.Group {
	t.Helper()
	db := promqltest.LoadedStorage(t, series)
	t.Cleanup(func() { _ = db.Close() })
	engine := promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery)
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(engine, db),
		Appendable: db, Queryable: db, Context: t.Context(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
	})
	groups, errs := manager.LoadGroups(every, labels.EmptyLabels(), "", nil, false, "../alerts.yml")
	if len(errs) > 0 || len(groups) != 1 {
		t.Fatalf("the rules: %d groups, %v", len(groups), errs)
	}
	for _, group := range groups {
		return group
	}
	return nil
}

// evaluate evaluates the rules for an hour and returns the names of the alerts that fire then.
func evaluate(t *testing.T, group *rules.Group) []string {
	t.Helper()
	for at := time.Duration(0); at <= time.Hour; at += every {
		group.Eval(t.Context(), time.Unix(0, 0).UTC().Add(at))
	}
	var firing []string
	for _, rule := range group.AlertingRules() {
		if err := rule.LastError(); err != nil {
			t.Errorf("%s: %v", rule.Name(), err)
		}
		if rule.State() == rules.StateFiring {
			firing = append(firing, rule.Name())
		}
		for _, alert := range rule.ActiveAlerts() {
			if text := alert.Annotations.String(); strings.Contains(text, "<error") {
				t.Errorf("%s: %s", rule.Name(), text)
			}
		}
	}
	slices.Sort(firing)
	return firing
}
