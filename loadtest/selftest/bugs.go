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
	{bug: GrantsTwice, must: audit.OneHolder},
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
	{"a key is denied, whose order nobody was told of", audit.OncePerKey, func(r *audit.Records) {
		// The first sale was answered to nobody, and its client, asking again at the end, is refused.
		at := firstConfirmed(*r)
		denied := r.Ops[at]
		r.Ops[at].Outcome, r.Ops[at].OrderID = load.Unknown, ""
		denied.Seq, denied.Outcome, denied.OrderID = len(r.Ops), load.SoldOut, ""
		move(&denied, time.Hour)
		r.Ops = append(r.Ops, denied)
	}},
	{"a key is answered with another order", audit.OncePerKey, func(r *audit.Records) { repeat(r, func(op *load.Op) { op.OrderID = "another" }) }},
	{"a key is answered otherwise", audit.OncePerKey, func(r *audit.Records) { repeat(r, func(op *load.Op) { op.Digest = "another" }) }},
	{"a key is denied after it was confirmed", audit.OncePerKey, func(r *audit.Records) { repeat(r, func(op *load.Op) { op.Outcome = load.SoldOut }) }},
	{"the drive began with another level", audit.AddsUp, func(r *audit.Records) { r.Starts[0].OnHand++ }},
	{"the stock's row is behind the ledger", audit.AddsUp, func(r *audit.Records) {
		before := r.Ledger[slices.IndexFunc(r.Ledger, func(m load.Movement) bool {
			return m.SKU == r.Levels[0].SKU && m.Version == r.Levels[0].Version-1
		})]
		r.Levels[0].OnHand, r.Levels[0].Version = before.OnHand, before.Version
	}},
	{"the stock's row has another level", audit.AddsUp, func(r *audit.Records) { r.Levels[0].OnHand++ }},
	{"units come back twice", audit.ReturnedOnce, func(r *audit.Records) { giveBack(r, 2) }},
	{"a cancel that nobody asked for", audit.ActsWritten, func(r *audit.Records) {
		r.Acts = []load.Action{}
		giveBack(r, 1)
	}},
	{"a restock is not in the ledger", audit.ActsWritten, func(r *audit.Records) {
		r.Acts = []load.Action{{Kind: load.Restock, SKU: "A", Delta: 1, Reason: "delivery 1", Outcome: load.Confirmed}}
	}},
	{"orders were sent one after the other", audit.PutToTheTest, func(r *audit.Records) {
		for i := range r.Ops {
			r.Ops[i].Call, r.Ops[i].Return = time.Duration(2*i), time.Duration(2*i+1)
		}
	}},
	{"the fault was not seen", audit.PutToTheTest, func(r *audit.Records) { r.Fault.Fired = false }},
	{"a request meets a bug", audit.NoneBroken, func(r *audit.Records) { r.Ops[0].Code = "internal" }},
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

func firstConfirmed(r audit.Records) int {
	first := -1
	for i, op := range r.Ops {
		if op.Outcome == load.Confirmed && (first < 0 || op.Return < r.Ops[first].Return) {
			first = i
		}
	}
	return first
}

// repeat has the client of a confirmed order ask again, and get another answer.
func repeat(r *audit.Records, change func(*load.Op)) {
	again := r.Ops[confirmed(*r)]
	again.Seq = len(r.Ops)
	move(&again, time.Second)
	change(&again)
	r.Ops = append(r.Ops, again)
}

// giveBack returns the units of the first order in the ledger, and does so a number of times.
func giveBack(r *audit.Records, times int) {
	order := r.Ledger[slices.IndexFunc(r.Ledger, func(m load.Movement) bool { return m.OrderID != "" })].OrderID
	for range times {
		for _, m := range r.Ledger {
			if m.OrderID == order && m.Reason == "sale" {
				m.Reason, m.Delta = "cancel", -m.Delta
				last := r.Levels[slices.IndexFunc(r.Levels, func(l audit.Level) bool { return l.SKU == m.SKU })]
				m.Version, m.OnHand = last.Version+1, last.OnHand+m.Delta
				r.Ledger = append(r.Ledger, m)
			}
		}
	}
}
