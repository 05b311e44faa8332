package orders

import (
	"fmt"
	"math"

	"orderd/loadtest/bench"
)

// figure returns a shape's figure; one without measurements if there is none.
func (f Figures) figure(s Shape) Figure {
	for _, figure := range f.Table {
		if figure.Shape == s {
			return figure
		}
	}
	return Figure{Shape: s}
}

// best returns the fastest of a reference's figures on so many SKUs.
func (f Figures) best(what string, skus int) Figure {
	best := Figure{}
	for _, figure := range f.Table {
		if figure.What == what && figure.SKUs == skus && figure.Median.PerSecond >= best.Median.PerSecond {
			best = figure
		}
	}
	return best
}

// judge compares the figures with the goals.
func judge(f Figures) []bench.Goal {
	reference, onMany := f.best(three, 1), f.best(three, spread.SKUs)
	ratio := func(limit float64, s, to Figure, beside string) bench.Goal {
		return bench.AtLeast(limit, s.Median.PerSecond/to.Median.PerSecond, "%s ÷ %s", s.Shape, beside)
	}
	hotRow := fmt.Sprintf("pgbench at its best (%d clients)", reference.Clients)
	four := f.figure(hotFour)
	goals := []bench.Goal{
		ratio(8, f.figure(hot), reference, hotRow),
		ratio(6, four, reference, hotRow),
		bench.AtMost(5, math.Max(100-four.Median.Least, four.Median.Most-100), "  its replicas' shares, percent from equal"),
		bench.AtMost(3, four.Median.Latency.P99/four.Median.Latency.P50, "  its p99 ÷ its p50"),
		ratio(3, f.figure(hotZoo), reference, hotRow),
		ratio(1.3, f.figure(spread), onMany, fmt.Sprintf("pgbench at its best (%d clients)", onMany.Clients)),
		ratio(0.5, f.figure(soldOut), f.figure(idle), "the handler that does nothing"),
	}
	if large := f.figure(hotLarge); len(large.Rounds) > 0 {
		goals = append(goals, ratio(0.9, large, f.figure(hot), "the same without"))
	}
	return append(goals, f.sound())
}

// sound is the goal without which speed is worth nothing.
func (f Figures) sound() bench.Goal {
	wrong, audited := 0, 0
	count := func(figures []Figure) {
		for _, figure := range figures {
			wrong += len(figure.Median.Violations) + figure.Median.Others
			audited += figure.Median.Audited
		}
	}
	count(f.Table)
	for _, curve := range f.Curves {
		count(curve)
	}
	return bench.AtMost(0, float64(wrong), "violations found by the audit, and orders that failed, of %d", audited)
}
