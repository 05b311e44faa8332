// Package fault breaks each lock on purpose, from outside of orderd, and finds out which
// layer prevented an oversell: the lock, the lease check, the guard of the row, or nothing.
//
// A schedule has two actors, replicas r1 and r2, and one unit of stock. It waits for what it
// can observe (a message on the wire, a process's state, the lock's holder, a transaction
// that waits for a row) and never for time to pass, so that it runs the same way every time.
// A third replica, to which nothing is done, observes, and is the third caller where a
// schedule needs one.
package fault

import (
	"slices"
	"time"

	"orderd/loadtest/fleet"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// A Fault is one way of breaking things.
type Fault struct {
	Name  string
	Title string   // what is done, as a sentence without its full stop
	Modes []string // the lock modes that it concerns
	// TTL is that of the leases. It is short where a schedule waits for a lease to end, and
	// long where the fault has to come before the holder's next renewal.
	TTL   time.Duration
	Own   fleet.Own    // servers that it breaks, and so must not share
	Needs func() error // why it cannot be run here; nil: it can everywhere
	Fresh bool         // every try needs servers to which nothing has been done
	// Excludes: the lock has to keep what it promises. In a mode with leases no two replicas
	// may be in their critical sections at once, whatever the guard.
	Excludes bool
	// Breaks reports whether more is sold than there is, by the design of the mode and the
	// guard. Everything else has to hold, and may only lose time.
	Breaks func(mode, guard string) bool
	// May reports whether that is up to chance; nil: never.
	May func(mode, guard string) bool
	// Schedule runs the fault. An error says what did not come about.
	Schedule func(*Scene) error
	// Disruption injects the fault under load instead, with Work in each order.
	Disruption *disruption
	Work       time.Duration
}

// TTLs of leases.
const (
	shortTTL = time.Second
	longTTL  = 30 * time.Second
	// electionTTL outlasts an election, and is a ZooKeeper session's timeout.
	electionTTL = 10 * time.Second
)

// Names of modes and guards.
const (
	none, local, redis, redlock, zookeeper, postgres = modes.None, modes.Local, modes.Redis, modes.Redlock, modes.ZooKeeper, modes.Postgres

	fence, claim, predicate = modes.Fence, modes.Claim, modes.Predicate
)

var (
	everyMode = modes.Names()
	leased    = modes.Leased()
)

// All are the faults, in the order of the matrix.
var All = []Fault{
	race,
	pauseNewcomerFirst,
	pauseStaleFirst,
	killBeforeCommit,
	killAfterCommit,
	redisRestarted,
	redisClock,
	redisClockBehind,
	redlockRestart,
	redlockClock,
	redlockMinority,
	slowWork,
	workUnrenewed,
	cutOff,
	staleRelease,
	waiterKilled,
	acquireReplyLost,
	acquireReplyLate,
	commitLost,
	commitReplyLost,
	sessionExpiry,
	flushLocks,
	flushStock,
	advisoryKilled,
	sentinelFailover,
	clusterFailover,
	leaderKilled,
	quorumLost,
	serviceDown,
	postgresRestart,
	killRandom,
	sigterm,
}

// Names lists the faults.
func Names() []string {
	names := make([]string, len(All))
	for i, f := range All {
		names[i] = f.Name
	}
	return names
}

// never is for faults under which every mode and guard has to hold.
func never(string, string) bool { return false }

// unlessGuard is for faults that get past every lock: only the named guards stop them.
func unlessGuard(guards ...string) func(mode, guard string) bool {
	return func(_, guard string) bool { return !slices.Contains(guards, guard) }
}

func (f Fault) expectation(mode, guard string) report.Expectation {
	if f.Breaks(mode, guard) {
		return report.Break
	}
	if f.May != nil && f.May(mode, guard) {
		return report.Either
	}
	return report.Hold
}
