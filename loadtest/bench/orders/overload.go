package orders

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"orderd/loadtest/bench"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// A Bound is a limit on what orderd admits at a time, with a load just below it and one far
// beyond.
type Bound struct {
	Name  string   `json:"name"`
	Flags []string `json:"flags,omitempty"` // of orderd serve
	SKUs  int      `json:"skus"`
	Below Load     `json:"below"`
	Over  Load     `json:"over"`
}

// A Load is a number of clients, and how many orders they send a second; 0: a closed loop.
type Load struct {
	Clients   int     `json:"clients"`
	PerSecond float64 `json:"per_second,omitempty"`
}

// pause is the shortest wait of a client that was refused, half of its Retry-After; the
// longest is three times as long.
const pause = 500 * time.Millisecond

// bounds are orderd's. A lane has room for 512 orders, and the process for 640: with a single
// lane, as on 2 processors, the lane's room is the bound, whatever is ordered.
var bounds = []Bound{
	{Name: "a lane's queue (one SKU)", SKUs: 1, Below: Load{Clients: 500}, Over: Load{Clients: 3000}},
	{Name: "requests in flight (1,000 SKUs)", SKUs: 1000, Below: Load{Clients: 500}, Over: Load{Clients: 2500}},
	{
		Name: "--rate-limit 1000", Flags: []string{"--rate-limit", "1000"}, SKUs: 1,
		Below: Load{Clients: 256, PerSecond: 900}, Over: Load{Clients: 1024, PerSecond: 5000},
	},
	{
		Name: "--client-rate-limit 1000", Flags: []string{"--client-rate-limit", "1000"}, SKUs: 1,
		Below: Load{Clients: 256, PerSecond: 900}, Over: Load{Clients: 1024, PerSecond: 5000},
	},
}

// An Overload is the results of a bound's two loads.
type Overload struct {
	Bound
	BelowIt Side `json:"below_it"`
	OverIt  Side `json:"over_it"`
}

// A Side is the result of one load, or that of all rounds: of each figure the median, or the worst
// where that is what it is about.
type Side struct {
	Accepted   float64            `json:"accepted_per_second"`
	Latency    report.Percentiles `json:"accepted_ms"`
	Confirmed  int                `json:"confirmed"`          // in total, also outside of the window
	Refused    float64            `json:"refused_per_second"` // by 429 or 503
	Refusal    report.Percentiles `json:"refused_ms"`
	Others     int                `json:"others"` // answered in neither way
	Broken     int                `json:"broken"` // not answered at all
	FirstOther string             `json:"first_other,omitempty"`
	PeakMiB    float64            `json:"peak_resident_mib"`
	Violations []string           `json:"violations,omitempty"`
}

// Overloads are the results of a run of the benchmark.
type Overloads struct {
	Table []Overload   `json:"table"`
	Goals []bench.Goal `json:"goals"`
}

// OverloadParts is the number of measurements in that many rounds.
func OverloadParts(rounds int) int { return 2 * rounds * len(bounds) }

// Overload measures each bound on both sides, round by round.
func (l *Lab) Overload(ctx context.Context, rounds int, window time.Duration, begin, end func(string, ...any)) (Overloads, error) {
	below, over := make([][]Side, len(bounds)), make([][]Side, len(bounds))
	for round := range rounds {
		for i, b := range bounds {
			for _, side := range []struct {
				name  string
				load  Load
				sides *[]Side
			}{{"below", b.Below, &below[i]}, {"over", b.Over, &over[i]}} {
				begin("round %d, %s, %s", round+1, b.Name, side.name)
				s, err := l.side(ctx, b, side.load, window)
				if err != nil {
					return Overloads{}, fmt.Errorf("%s: %w", b.Name, err)
				}
				*side.sides = append(*side.sides, s)
				end("accepted %.0f/s, p99 %.1f ms; refused %.0f/s, p99 %.1f ms", s.Accepted, s.Latency.P99, s.Refused, s.Refusal.P99)
			}
		}
	}
	var o Overloads
	for i, b := range bounds {
		row := Overload{b, medianSide(below[i]), medianSide(over[i])}
		o.Table, o.Goals = append(o.Table, row), append(o.Goals, row.goals()...)
	}
	return o, nil
}

// side measures one load, and audits what was sold under it.
func (l *Lab) side(ctx context.Context, b Bound, of Load, window time.Duration) (s Side, err error) {
	d, err := l.fresh(ctx)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, l.drop(ctx, d)) }()
	skus, err := d.stock(ctx, l.next("O")+"-", b.SKUs, plenty)
	if err != nil {
		return s, err
	}
	replicas, err := l.fleet.Start(ctx, fleet.Setup{
		Mode: modes.Redis, Replicas: 1, LockWait: 10 * time.Second, BatchMax: 64, DatabaseURL: d.url, Flags: b.Flags,
	})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, replicas.Stop(ctx)) }() // before the database is dropped
	warmUp := window / 2
	orders, _, err := load.Generator{
		Targets: hosts(replicas.URLs), Clients: of.Clients, Lasts: warmUp + window, SKUs: skus,
		Pick: Scenario{SKUs: b.SKUs}.picks(rand.Uint64()), PerSecond: of.PerSecond, Pause: pause,
	}.Run(ctx)
	if err != nil {
		return s, err
	}
	s = sideOf(orders, window, inWindow(of.PerSecond > 0, warmUp, window))
	memory, err := replicas.Memory()
	if err != nil {
		return s, err
	}
	s.PeakMiB = memory.Peak
	var m Measurement
	err = d.audit(ctx, skus, orders, &m)
	s.Violations = m.Violations
	return s, err
}

func sideOf(orders []load.Order, window time.Duration, counts func(load.Order) bool) (s Side) {
	var accepted, refused []time.Duration
	for _, o := range orders {
		if o.Outcome == load.Confirmed {
			s.Confirmed++
		}
		refusal := o.Status == http.StatusTooManyRequests || o.Status == http.StatusServiceUnavailable && o.Outcome == load.Busy
		switch counts := counts(o); {
		case o.Error != "":
			s.Broken++
		case o.Outcome != load.Confirmed && !refusal:
			if s.Others++; s.Others == 1 {
				s.FirstOther = fmt.Sprintf("%d %s %s after %v", o.Status, o.Code, o.Error, o.Latency())
			}
		case counts && refusal:
			refused = append(refused, o.Latency())
		case counts:
			accepted = append(accepted, o.Latency())
		}
	}
	s.Accepted, s.Refused = float64(len(accepted))/window.Seconds(), float64(len(refused))/window.Seconds()
	s.Latency, s.Refusal = report.PercentilesOf(accepted), report.PercentilesOf(refused)
	return s
}
