package orders

import (
	"testing"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
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
