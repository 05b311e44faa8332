package main

import (
	"strings"

	"orderd/loadtest/report"
)

// reach is how far the mutual exclusion of a lock mode reaches: what a cell is expected to do
// follows from it.
type reach int

const (
	reachNobody  reach = iota // grants at once
	reachProcess              // within one process
	reachAll                  // every process that asks the same servers
)

// modeReach is the reach of each mode, by its name; a mode that is not in it cannot be
// compared. It is the judge's own knowledge, not orderd's.
var modeReach = map[string]reach{
	"none":      reachNobody,
	"local":     reachProcess,
	"redis":     reachAll,
	"redlock":   reachAll,
	"zookeeper": reachAll,
	"postgres":  reachAll,
}

// lockModes and guards are the values that flags take, in the order of tables.
var (
	lockModes = []string{"none", "local", "redis", "redlock", "zookeeper", "postgres"}
	guards    = []string{"none", "fence", "claim", "predicate"}
)

const guardPredicate = "predicate"

// expect says what a cell should do without a fault. Tokens do not matter here: a mode
// without a lock has none, and a lock that holds does not need them.
func expect(mode string, replicas, clients int, guard string) report.Expectation {
	switch {
	case guard == guardPredicate, clients == 1, modeReach[mode] == reachAll:
		return report.Hold
	case modeReach[mode] == reachProcess && replicas == 1:
		return report.Hold
	default:
		return report.Break
	}
}

func joined(words []string) string { return strings.Join(words, ",") }
