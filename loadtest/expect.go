package main

import (
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
