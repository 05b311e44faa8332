package orders

import (
	"cmp"
	"fmt"
	"strconv"

	"orderd/loadtest/bench"
	"orderd/loadtest/report"
)

// What a bound is for: clients that are refused learn it at once, and those that are admitted
// hardly notice the others.
const (
	refusalLimit = 50 // ms
	slowerLimit  = 2  // times
	servedLimit  = 0.5
)

// goals compares a bound's two loads.
func (o Overload) goals() []bench.Goal {
	wrong := o.BelowIt.Others + o.BelowIt.Broken + o.OverIt.Others + o.OverIt.Broken + len(o.BelowIt.Violations) + len(o.OverIt.Violations)
	return []bench.Goal{
		bench.AtMost(0, o.BelowIt.Refused, "%s: orders refused below it, a second", o.Name),
		bench.AtLeast(100, o.OverIt.Refused, "  refused beyond it, a second"),
		bench.AtMost(refusalLimit, o.OverIt.Refusal.P99, "  their p99, ms"),
		bench.AtMost(slowerLimit, o.OverIt.Latency.P99/max(1, o.BelowIt.Latency.P99), "  p99 of those accepted beyond it ÷ that below it"),
		bench.AtLeast(servedLimit, o.OverIt.Accepted/max(1, o.BelowIt.Accepted), "  accepted beyond it ÷ below it"),
		bench.AtMost(0, float64(wrong), "  violations found by the audit, and orders answered otherwise"),
	}
}

// medianSide takes the median of each figure on its own; of the extremes the worst, and of
// totals, and what must not happen, the sum.
func medianSide(rounds []Side) Side {
	median := Side{
		Accepted: bench.MedianOf(rounds, func(s Side) float64 { return s.Accepted }),
		Refused:  bench.MedianOf(rounds, func(s Side) float64 { return s.Refused }),
		Latency:  medianLatency(rounds, func(s Side) report.Percentiles { return s.Latency }),
		Refusal:  medianLatency(rounds, func(s Side) report.Percentiles { return s.Refusal }),
	}
	for _, s := range rounds {
		median.PeakMiB = max(median.PeakMiB, s.PeakMiB)
		median.Confirmed += s.Confirmed
		median.Others += s.Others
		median.Broken += s.Broken
		median.FirstOther = cmp.Or(median.FirstOther, s.FirstOther)
		median.Violations = append(median.Violations, s.Violations...)
	}
	return median
}

// Part returns the figures as a table.
func (o Overloads) Part() bench.Part {
	t := bench.Grid{Words: 2, Header: []string{
		"bound", "", "clients", "sent /s", "accepted /s", "p50 ms", "p99 ms", "refused /s", "p50 ms", "p99 ms", "peak MiB",
	}}
	for _, row := range o.Table {
		for _, side := range []struct {
			name string
			load Load
			Side
		}{{"below", row.Below, row.BelowIt}, {"beyond", row.Over, row.OverIt}} {
			sent := "as answered"
			if side.load.PerSecond > 0 {
				sent = fmt.Sprintf("%.0f", side.load.PerSecond)
			}
			t.Rows = append(t.Rows, []string{
				row.Name, side.name, strconv.Itoa(side.load.Clients), sent, fmt.Sprintf("%.0f", side.Accepted),
				fmt.Sprintf("%.1f", side.Latency.P50), fmt.Sprintf("%.1f", side.Latency.P99), fmt.Sprintf("%.0f", side.Refused),
				fmt.Sprintf("%.1f", side.Refusal.P50), fmt.Sprintf("%.1f", side.Refusal.P99), fmt.Sprintf("%.0f", side.PeakMiB),
			})
		}
	}
	return bench.Part{
		Title: "Overload", Table: t,
		Words: fmt.Sprintf("One replica, mode redis; medians of the rounds, of peaks the highest. Clients that are refused come again after %v to %v.", pause, 3*pause),
	}
}
