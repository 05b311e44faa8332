// Package modes says what the laboratory expects of orderd's lock modes and guards. It is the
// judge's own knowledge, and not orderd's: the two share no code.
package modes

import "slices"

// Names of the lock modes, as --lock-mode takes them.
const (
	None      = "none"
	Local     = "local"
	Redis     = "redis"
	Redlock   = "redlock"
	ZooKeeper = "zookeeper"
	Postgres  = "postgres"
)

// Reach is how far the mutual exclusion of a lock mode reaches.
type Reach int

// How far locks reach.
const (
	Nobody   Reach = iota // it grants at once
	Process               // within one process
	Everyone              // every process that asks the same servers
)

// A Mode is one of orderd's lock modes.
type Mode struct {
	Name string
	// What says in a sentence what it is.
	What  string
	Reach Reach
	// Leased: its locks are leases, which end by themselves and have fencing tokens.
	Leased bool
}

// All are the modes, weakest promise first, which is their order in tables.
var All = []Mode{
	{None, "No lock: whoever asks goes in at once.", Nobody, false},
	{Local, "A lock in the memory of each process: the callers of one process take turns, other processes know nothing of it.", Process, false},
	{Redis, "A lock in one Redis server that all processes ask: SET NX PX with an owner, renewed, passed on first come, first served.", Everyone, true},
	{Redlock, "A lock in most of five independent Redis masters (RedLock), each of which could be lost.", Everyone, true},
	{ZooKeeper, "A queue in ZooKeeper that all processes stand in: an ephemeral sequential node each, watching the one before it.", Everyone, true},
	{Postgres, "An advisory lock in the database that keeps the stock anyway, by a session of its own.", Everyone, true},
}

// BatchMax is how many orders the mode places with one lease if it may place limit: without a
// lock there are no groups, for a group would itself be one.
func (m Mode) BatchMax(limit int) int {
	if m.Reach == Nobody {
		return 1
	}
	return limit
}

// Of returns the mode of that name. One that is not there reaches nobody.
func Of(name string) Mode {
	i := slices.IndexFunc(All, func(m Mode) bool { return m.Name == name })
	if i < 0 {
		return Mode{Name: name}
	}
	return All[i]
}

// Names returns the names of all modes.
func Names() []string { return names(func(Mode) bool { return true }) }

// Leased returns the names of the modes with leases.
func Leased() []string { return names(func(m Mode) bool { return m.Leased }) }

func names(wanted func(Mode) bool) (found []string) {
	for _, m := range All {
		if wanted(m) {
			found = append(found, m.Name)
		}
	}
	return found
}

// Guards: what Postgres itself checks, as the stock's guard column has it.
const (
	Unguarded = "none"
	Fence     = "fence"
	Claim     = "claim"
	Predicate = "predicate"
)

// Guards are all of them, in the order of tables.
var Guards = []string{Unguarded, Fence, Claim, Predicate}
