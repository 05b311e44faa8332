// Package fault breaks each lock on purpose, from outside of orderd, and finds
// out which layer caught it: the lock, the lease check, the guard of the row,
// or nothing.
//
// A schedule has two actors, replicas r1 and r2, and one unit of stock. It waits
// for what it can see (a message on the wire, a process's state, who holds the
// lock, who waits for a row) and never for time to pass, so that it goes the same
// way every time. A third replica, which nothing is done to, only looks.
package fault

import (
	"slices"
	"time"

	"orderd/loadtest/fleet"
	"orderd/loadtest/report"
)

// A Fault is one way of breaking things.
type Fault struct {
	Name  string
	Title string   // what is done, in a sentence without its stop
	Modes []string // the lock modes that it concerns
	// TTL is that of the leases. It is short where a schedule waits for a lease's
	// end, and long where it has to come before the holder's next renewal.
	TTL   time.Duration
	Own   fleet.Own    // servers that it breaks, and that nobody else may need
	Needs func() error // why it cannot be done here; nil: it can everywhere
	Fresh bool         // every try needs servers that nothing has been done to
	// Excludes: the lock has to keep what it promises. With a mode that has leases no two
	// replicas may be in their critical sections at once, whatever the guard.
	Excludes bool
	// Breaks tells whether more is sold than there is, by the design of the mode
	// and the guard. All else has to hold, and may only lose time.
	Breaks func(mode, guard string) bool
	// May tells where it is up to chance; nil: nowhere.
	May func(mode, guard string) bool
	// Schedule does it. An error says what did not come about.
	Schedule func(*Scene) error
	// Disruption does it under load instead, with Work in each order.
	Disruption *disruption
	Work       time.Duration
}

// Lease ends for schedules.
const (
	shortTTL = time.Second
	longTTL  = 30 * time.Second
	// electionTTL outlives an election, and is a ZooKeeper session's.
	electionTTL = 10 * time.Second
)

// Names of modes and guards.
const (
	none, local, redis, redlock, zookeeper, postgres = "none", "local", "redis", "redlock", "zookeeper", "postgres"

	fence, claim, predicate = "fence", "claim", "predicate"
)

var (
	everyMode = []string{none, local, redis, redlock, zookeeper, postgres}
	leases    = []string{redis, redlock, zookeeper, postgres}
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

// never is for faults that every mode and guard has to bear.
func never(string, string) bool { return false }

// unlessGuard is for faults that get past every lock: only the guards named
// stop them.
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
