package main

import (
	"strings"

	"orderd/loadtest/report"
)

// reach tells how far the turns of a lock mode go: what a cell is expected to
// do follows from it. A mode that is not here cannot be compared.
type reach int

const (
	reachNobody  reach = iota // grants at once
	reachProcess              // one process
	reachAll                  // every process that asks the same servers
)

// modeReach is what the laboratory expects of each mode, by the mode's name.
// It is the judge's own knowledge, not orderd's.
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

const (
	guardNone      = "none"
	guardPredicate = "predicate"
)

// expect says what a cell should do while nothing is broken on purpose. Tokens
// are no help here: a mode without a lock has none, and one with a lock that
// holds does not need them.
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
