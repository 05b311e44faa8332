package orders

import (
	"fmt"
	"math"

	"orderd/loadtest/bench"
)

// figure returns a scenario's figure; one without measurements if there is none.
func (f Figures) figure(s Scenario) Figure {
	for _, figure := range f.Table {
		if figure.Scenario == s {
			return figure
		}
	}
	return Figure{Scenario: s}
}

// reference returns the fastest of pgbench's figures, for the three statements in one
// transaction, on that many SKUs.
func (f Figures) reference(skus int) Figure {
	best := Figure{}
	for _, figure := range f.Table {
		if figure.What == three && figure.SKUs == skus && figure.Median.PerSecond >= best.Median.PerSecond {
			best = figure
		}
	}
	return best
}

// judge compares the figures with those of the goals for which they suffice.
func judge(f Figures) []bench.Goal {
	var goals []bench.Goal
	ratio := func(limit float64, s Scenario, to Figure, beside string) {
		if ours := f.figure(s); len(ours.Rounds) > 0 && to.Median.PerSecond > 0 {
			goals = append(goals, bench.AtLeast(limit, ratioOf(ours, to), "%s ÷ %s", s, beside))
		}
	}
	reference, onMany := f.reference(1), f.reference(spread.SKUs)
	hotRow, manyRows := f.named(reference), f.named(onMany)
	ratio(8, hot, reference, hotRow)
	ratio(6, hotFour, reference, hotRow)
	if m := f.figure(hotFour).Median; m.Latency.P50 > 0 {
		goals = append(goals,
			bench.AtMost(5, math.Max(100-m.Least, m.Most-100), "  its replicas' shares: largest deviation from equal, %%"),
			bench.AtMost(3, m.Latency.P99/m.Latency.P50, "  its p99 ÷ its p50"))
	}
	ratio(3, hotZoo, reference, hotRow)
	ratio(1.3, spread, onMany, manyRows)
	ratio(0.5, soldOut, f.figure(idle), "a no-op HTTP handler")
	ratio(0.9, hotLarge, f.figure(hot), "the same without")
	ratio(8, inShop(hot), reference, hotRow)
	ratio(6, inShop(hotFour), reference, hotRow)
	ratio(3, inShop(hotZoo), reference, hotRow)
	ratio(1.3, inShop(spread), onMany, manyRows)
	ratio(0.9, inShop(hotLarge), f.figure(inShop(hot)), "the same without")
	if one, many := f.figure(crowdOne).Median, f.figure(crowdMany).Median; one.PeakMiB > 0 && many.PeakMiB > 0 {
		goals = append(goals, bench.AtMost(memoryGoal, max(one.PeakMiB, many.PeakMiB),
			"a replica's memory at its peak, MiB, while %d orders of %d clients are refused or wait (plus %.0f MiB of program pages)",
			crowdOrders, crowdClients, one.ProgramMiB))
	}
	return append(goals, f.sound()...)
}

// named names a figure of pgbench as the reference: the best of how many clients it is.
func (f Figures) named(best Figure) string {
	least, most := best.Clients, best.Clients
	for _, figure := range f.Table {
		if figure.What == best.What && figure.SKUs == best.SKUs {
			least, most = min(least, figure.Clients), max(most, figure.Clients)
		}
	}
	on := "one SKU"
	if best.SKUs > 1 {
		on = fmt.Sprintf("%d SKUs", best.SKUs)
	}
	return fmt.Sprintf("pgbench at its best on %s (%d clients, of %d to %d)", on, best.Clients, least, most)
}

// ratioOf is the median of the rounds' ratios: within a round, the machine has changed less.
func ratioOf(ours, to Figure) float64 {
	ratios := make([]float64, min(len(ours.Rounds), len(to.Rounds)))
	for i := range ratios {
		ratios[i] = ours.Rounds[i].PerSecond / max(1, to.Rounds[i].PerSecond)
	}
	return bench.Median(ratios)
}

// sound is the goal without which speed is worth nothing; none if nothing was audited.
func (f Figures) sound() []bench.Goal {
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
	if audited == 0 {
		return nil
	}
	return []bench.Goal{bench.AtMost(0, float64(wrong), "violations found by the audit, and orders that failed, of %d", audited)}
}
