package orders

import (
	"math"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// Without a measurement of orderd there are no goals, and so none is met.
func TestJudge_NothingAudited(t *testing.T) {
	t.Parallel()
	pgbenchAlone := Figures{Table: []Figure{{Scenario: Scenario{What: three, SKUs: 1, Clients: 1}, Median: Measurement{PerSecond: 1000}}}}
	if goals := judge(pgbenchAlone); len(goals) != 0 || bench.Verdict(goals) != audit.Undecided {
		t.Errorf("%+v, want no goal of pgbench alone", goals)
	}
}

// A bound that admits nobody does not serve the admitted well.
func TestOverload_WantsSomebodyServed(t *testing.T) {
	t.Parallel()
	o := Overload{
		Bound:   Bound{Name: "a bound"},
		BelowIt: Side{Accepted: 1000, Latency: report.Percentiles{P99: 10}},
		OverIt:  Side{Accepted: 900, Refused: 5000, Latency: report.Percentiles{P99: 15}, Refusal: report.Percentiles{P99: 5}},
	}
	if verdict := bench.Verdict(o.goals()); verdict != audit.Held {
		t.Errorf("%s: %+v, want all met", verdict, o.goals())
	}
	o.OverIt.Accepted, o.OverIt.Latency = 0, report.Percentiles{}
	if verdict := bench.Verdict(o.goals()); verdict != audit.Violated {
		t.Errorf("%s of nobody served: %+v", verdict, o.goals())
	}
}

// What a stall delays beyond the window counts in an open loop: it is just what the loop is for.
func TestMeasured_AnOpenLoopCountsWhatWasDue(t *testing.T) {
	t.Parallel()
	order := func(call, back int) load.Order {
		return load.Order{Op: load.Op{Outcome: load.Confirmed, Call: time.Duration(call) * time.Second, Return: time.Duration(back) * time.Second}}
	}
	orders := []load.Order{order(0, 1), order(0, 3), order(3, 4), order(5, 30)} // of which 2 s to 6 s counts
	for open, want := range map[bool]struct{ orders, longest float64 }{false: {2, 3_000}, true: {2, 25_000}} {
		m := measured(orders, load.Confirmed, 1, inWindow(open, 2*time.Second, 4*time.Second))
		if m.PerSecond != want.orders || math.Abs(m.Latency.Max-want.longest) > 0.01*want.longest {
			t.Errorf("open %v: %v orders, the longest %v ms; want %v and %v", open, m.PerSecond, m.Latency.Max, want.orders, want.longest)
		}
	}
}

// A goal is about the median of the rounds' ratios, extremes are those of the worst round, and
// the reference says of how many clients it is the best.
func TestJudge_RatiosByRound(t *testing.T) {
	t.Parallel()
	figure := func(s Scenario, rates ...float64) Figure {
		f := Figure{Scenario: s}
		for _, rate := range rates {
			f.Rounds = append(f.Rounds, Measurement{PerSecond: rate, Latency: report.Percentiles{P99: rate, Max: rate}})
		}
		f.Median = medianOf(f.Rounds)
		return f
	}
	f := Figures{Table: []Figure{
		figure(Scenario{What: three, SKUs: 1, Clients: 2}, 100, 200, 50), figure(Scenario{What: three, SKUs: 1, Clients: 8}, 1, 1, 1),
		figure(hot, 1000, 600, 400),
	}}
	goals := judge(f)
	if len(goals) == 0 || goals[0].Got != 8 || !strings.HasSuffix(goals[0].Name, "÷ pgbench at its best on one SKU (2 clients, of 2 to 8)") {
		t.Errorf("%+v, want the median of 10, 3 and 8", goals)
	}
	if m := f.figure(hot).Median; m.PerSecond != 600 || m.Latency.P99 != 600 || m.Latency.Max != 1000 {
		t.Errorf("%+v, want medians, and the longest of all", m)
	}
}
