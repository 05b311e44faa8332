// Package selftest tests the audit itself: on a small shop that is known to be right, and on
// the same shop with one bug at a time. The audit must pass the first, and name what is wrong
// with each of the others.
package selftest

import (
	"math"
	"slices"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// A Bug is one thing that is wrong with a shop.
type Bug string

// The bugs of a shop.
const (
	None                Bug = "none: a clean history"
	GrantsTwice         Bug = "the lock grants twice"
	DeletesAnothers     Bug = "a release deletes another's lock"
	SellsOneMore        Bug = "the check says >= for >"
	ChecksEachLine      Bug = "the lines of a cart are not summed"
	HalfACart           Bug = "a cart is placed by halves"
	LosesAnAcknowledged Bug = "an acknowledged order is missing"
	IgnoresTheKey       Bug = "a repeated order is placed again"
	LeavesAnOrphan      Bug = "a refused order is left behind"
	RefusesFalsely      Bug = "a refusal is false"
	TokenGoesBack       Bug = "tokens begin again"
	ForgetsTheCopy      Bug = "the quick level is not written back"
	StaysDown           Bug = "nothing is decided after the fault"
	KeepsALock          Bug = "a lock is never given back"
)

// A trial is a bug, the invariant that must name it whenever it made a difference, and how it
// is planted: in the shop, or by an edit of its records afterwards.
type trial struct {
	bug  Bug
	must string
	edit func(*audit.Records)
}

var trials = []trial{
	{bug: GrantsTwice, must: audit.TurnsApart},
	{bug: DeletesAnothers, must: audit.TurnsApart},
	{bug: SellsOneMore, must: audit.NeverOversold},
	{bug: ChecksEachLine, must: audit.NeverOversold},
	{bug: HalfACart, must: audit.ConfirmedExist},
	{bug: LosesAnAcknowledged, must: audit.ConfirmedExist},
	{bug: IgnoresTheKey, must: audit.OncePerKey},
	{bug: LeavesAnOrphan, must: audit.NoOrphans},
	{bug: RefusesFalsely, must: audit.RefusalsTrue},
	{bug: TokenGoesBack, must: audit.TokensGrow},
	{bug: ForgetsTheCopy, must: audit.QuickLevelRight},
	{bug: StaysDown, must: audit.Progress},
	{bug: KeepsALock, must: audit.NothingHeld},
	{"a replica sells nothing after the fault", audit.Progress, func(r *audit.Records) { r.Probes[1].Outcome = load.Busy }},
	{"a key has a second order in the database", audit.OncePerKey, func(r *audit.Records) {
		r.Placed = append(r.Placed, audit.Placed{ID: "another", Key: r.Placed[0].Key})
	}},
	{"an answer was edited: the level", audit.ConfirmedExist, func(r *audit.Records) {
		for i := range r.Ops[confirmed(*r)].Lines {
			r.Ops[confirmed(*r)].Lines[i].Left++
		}
	}},
	{"an answer was edited: the outcome", audit.SalesWereAsked, func(r *audit.Records) {
		op := &r.Ops[confirmed(*r)]
		for i := range r.Ops { // with all its attempts
			if r.Ops[i].Key == op.Key {
				r.Ops[i].Outcome = load.Busy
			}
		}
	}},
	{"a time was edited: of a sale", audit.RealTime, func(r *audit.Records) { move(&r.Ops[confirmed(*r)], -time.Second) }},
	{"a time was edited: of a refusal", audit.RefusalsTrue, func(r *audit.Records) {
		move(&r.Ops[slices.IndexFunc(r.Ops, func(op load.Op) bool { return op.Outcome == load.SoldOut })], -time.Second)
	}},
	{"the ledger was edited: a sale is gone", audit.AddsUp, func(r *audit.Records) { r.Ledger = slices.Delete(r.Ledger, 10, 11) }},
	{"the ledger was edited: a level", audit.AddsUp, func(r *audit.Records) { r.Ledger[10].OnHand++ }},
}

// confirmed is the index of the latest confirmed order whose key was sent only once.
func confirmed(r audit.Records) int {
	attempts := map[string]int{}
	for _, op := range r.Ops {
		attempts[op.Key]++
	}
	latest, at := time.Duration(math.MinInt64), 0
	for i, op := range r.Ops {
		if op.Outcome == load.Confirmed && attempts[op.Key] == 1 && op.Call > latest {
			latest, at = op.Call, i
		}
	}
	return at
}

func move(op *load.Op, by time.Duration) { op.Call, op.Return = op.Call+by, op.Return+by }
