package main

import (
	"slices"

	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// expect says what a cell should do without a fault. Tokens do not matter here: a mode
// without a lock has none, and a lock that holds does not need them.
func expect(mode string, replicas, clients int, guard string) report.Expectation {
	reach := modes.Of(mode).Reach
	switch {
	case guard == modes.Predicate, clients == 1, reach == modes.Everyone:
		return report.Hold
	case reach == modes.Process && replicas == 1:
		return report.Hold
	default:
		return report.Break
	}
}

// distinct returns a list without repetitions, in its order.
func distinct(list []string) []string {
	var once []string
	for _, name := range list {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}
