package audit_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// complete returns the records of a clean drive of which everything is known.
func complete() audit.Records {
	r := clean()
	for i := range 3 {
		r.Ledger[i+1].Token, r.Ledger[i+1].Replica = int64(10+i), fmt.Sprintf("r%d", i%2+1)
		r.Ops[i].Replica, r.Ops[i].Key = r.Ledger[i+1].Replica, fmt.Sprintf("key-%d", i)
		r.Leases = append(r.Leases, audit.Lease{
			Replica: r.Ops[i].Replica, Token: int64(10 + i), Asked: at(i * 10), Entered: at(i*10 + 2), Left: at(i*10 + 12),
		})
		r.Placed = append(r.Placed, audit.Placed{ID: r.Ops[i].OrderID, Key: r.Ops[i].Key})
	}
	r.Exclusive = true
	r.Levels = []audit.Level{{Version: 4, Quick: &audit.Quick{Version: 4}}}
	r.Left = &audit.Left{Looked: []string{"Postgres"}}
	r.Fault = &audit.Fault{Name: "holder paused", Fired: true, Healed: new(at(30))}
	r.Probes = []load.Op{
		{Client: 1, Outcome: load.Failed, Code: "unavailable", Call: at(40), Return: at(41)},
		{Client: 1, Outcome: load.Confirmed, Call: at(42), Return: at(44)},
		{Client: 2, Outcome: load.Confirmed, Call: at(44), Return: at(46)},
	}
	return r
}

func TestJudge_EverythingKnownAndRight(t *testing.T) {
	t.Parallel()
	j := audit.Judge(complete())
	if j.Stock() != audit.Held || len(j.Invariants) != 17 || len(j.Counted) != 0 || len(j.Trace) != 0 {
		t.Errorf("Judge = %+v, want 17 invariants held", j)
	}
	for _, i := range j.Invariants {
		if i.Verdict != audit.Held || i.Evidence == "" {
			t.Errorf("%+v, want held, with evidence", i)
		}
	}
}

// What nobody looked at is not judged, let alone reported as held.
func TestJudge_LeavesOutWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		audit.OncePerKey, audit.NoOrphans, audit.NothingHeld, audit.QuickLevelRight, audit.Progress, audit.TokensGrow, audit.TurnsApart, audit.OneHolder,
	} {
		if got := named(audit.Judge(clean()), name); got.Verdict != "" {
			t.Errorf("%+v, want it left out", got)
		}
	}
}

func TestJudge_CatchesMoreSeededBugs(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		seed func(r *audit.Records)
		want string
		as   audit.Verdict
	}{
		"a token goes back":                {func(r *audit.Records) { r.Ledger[2].Token = 9 }, audit.TokensGrow, audit.Violated},
		"two replicas have the same token": {func(r *audit.Records) { r.Ledger[2].Token = 10 }, audit.TokensGrow, audit.Violated},
		"two holders at once":              {func(r *audit.Records) { r.Leases[0].Left = at(13) }, audit.TurnsApart, audit.Violated},
		"two holders, and a search":        {func(r *audit.Records) { r.Leases[0].Left = at(13) }, audit.OneHolder, audit.Violated},
		"a short turn within a long one":   {func(r *audit.Records) { r.Leases[0].Left = at(90) }, audit.TurnsApart, audit.Violated},
		"a lease with an old token":        {func(r *audit.Records) { r.Leases[2].Token = 1 }, audit.OneHolder, audit.Violated},
		"a sale without a token":           {func(r *audit.Records) { r.Tokens, r.Ledger[2].Token = true, 0 }, audit.TokensGrow, audit.Violated},
		"a row without a movement":         {func(r *audit.Records) { r.Levels[0].Version++ }, audit.AddsUp, audit.Violated},
		"a row of another level":           {func(r *audit.Records) { r.Levels[0].OnHand-- }, audit.AddsUp, audit.Violated},
		"an order without movements":       {func(r *audit.Records) { r.Placed = append(r.Placed, audit.Placed{ID: "x"}) }, audit.NoOrphans, audit.Violated},
		"movements without an order":       {func(r *audit.Records) { r.Placed = r.Placed[:2] }, audit.NoOrphans, audit.Violated},
		"a key denied, whose order nobody was told of": {func(r *audit.Records) {
			r.Ops[0].Outcome, r.Ops[0].OrderID = load.Unknown, ""
			r.Ops[3].Key = r.Ops[0].Key                                             // refused after a later version was answered
			r.Placed[0].Key = "sha256 nsz3ZZYO9xvW1vJ3i6KMnMzt3pw2YBVnp+Yf2aefGXI=" // of a line feed and key-0
		}, audit.OncePerKey, audit.Violated},
		"one key, two orders in the base":   {func(r *audit.Records) { r.Placed[1].Key = r.Placed[0].Key }, audit.OncePerKey, audit.Violated},
		"one key, two orders in answers":    {func(r *audit.Records) { r.Ops[1].Key = r.Ops[0].Key }, audit.OncePerKey, audit.Violated},
		"Redis promises too much":           {func(r *audit.Records) { r.Levels[0].Quick.OnHand++ }, audit.QuickLevelRight, audit.Violated},
		"Redis hides some":                  {func(r *audit.Records) { r.Levels[0].OnHand++ }, audit.QuickLevelRight, audit.Violated},
		"Redis is a version behind":         {func(r *audit.Records) { r.Levels[0].Quick.Version-- }, audit.QuickLevelRight, audit.Violated},
		"nothing works after the fault":     {func(r *audit.Records) { r.Ops[3].Outcome, r.Ops[4].Outcome = load.Busy, load.Failed }, audit.Progress, audit.Violated},
		"a replica sells nothing new":       {func(r *audit.Records) { r.Probes[2].Outcome = load.Busy }, audit.Progress, audit.Violated},
		"a lock is left behind":             {func(r *audit.Records) { r.Left.Held = []string{"lock:A-1"} }, audit.NothingHeld, audit.Violated},
		"nobody tries after the fault":      {func(r *audit.Records) { r.Fault.Healed = new(at(900)) }, audit.Progress, audit.Undecided},
		"the fault did not fire":            {func(r *audit.Records) { r.Fault.Fired = false }, audit.PutToTheTest, audit.Undecided},
		"a sale of another size is unknown": {func(r *audit.Records) { r.Ops[1].Outcome, r.Ops[1].Quantity = load.Unknown, 2 }, audit.SalesWereAsked, audit.Violated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := complete()
			row.seed(&r)
			j := audit.Judge(r)
			if got := named(j, row.want); got.Verdict != row.as || got.Evidence == "" {
				t.Errorf("%q = %s (%s), want %s", got.Name, got.Verdict, got.Evidence, row.as)
			}
			if j.Books() != row.as {
				t.Errorf("Books = %s, want %s", j.Books(), row.as)
			}
		})
	}
}

// Where the lock may fail, its invariants are reported and decide nothing.
func TestJudge_CountsTurnsWhereTheLockMayFail(t *testing.T) {
	t.Parallel()
	r := complete()
	r.Exclusive = false
	r.Leases[0].Left, r.Leases[1].Left = at(90), at(95)
	r.Ledger[2].Token = 9
	j := audit.Judge(r)
	if j.Stock() != audit.Held {
		t.Errorf("Stock = %s, want held: %+v", j.Stock(), j.Invariants)
	}
	got := named(audit.Judgement{Invariants: j.Counted}, audit.TurnsApart)
	if got.Verdict != audit.Violated || !strings.HasPrefix(got.Evidence, "2 of 3 leases") ||
		!strings.Contains(got.Evidence, "r1 held the lock with token 10 from 2.0 ms to 90.0 ms, and r2 held the lock with token 11 from 12.0 ms") {
		t.Errorf("%+v, want two overlaps counted, the first of them told", got)
	}
	if tokens := named(audit.Judgement{Invariants: j.Counted}, audit.TokensGrow); tokens.Verdict != audit.Violated {
		t.Errorf("%+v, want it counted", tokens)
	}
}

func TestJudge_Carts(t *testing.T) {
	t.Parallel()
	line := func(sku string, quantity, left, version int64) load.Line {
		return load.Line{SKU: sku, Quantity: quantity, Left: left, Version: version}
	}
	move := func(sku string, version, delta, onHand int64, order string) load.Movement {
		return load.Movement{SKU: sku, Version: version, Delta: delta, OnHand: onHand, OrderID: order, Reason: "sale"}
	}
	carts := func() audit.Records {
		return audit.Records{
			Clients: 1,
			Ops: []load.Op{
				{Seq: 0, Outcome: load.Confirmed, OrderID: "x", Call: at(0), Return: at(5), Lines: []load.Line{line("A", 1, 1, 2), line("B", 3, 0, 2), line("A", 1, 1, 2)}},
				{Seq: 1, Outcome: load.SoldOut, Call: at(400), Return: at(405), Lines: []load.Line{line("A", 1, 0, 0), line("B", 1, 0, 0)}},
			},
			Ledger: []load.Movement{
				{SKU: "A", Version: 1, Delta: 3, OnHand: 3, Reason: "created"}, {SKU: "B", Version: 1, Delta: 3, OnHand: 3, Reason: "created"},
				move("A", 2, -2, 1, "x"), move("B", 2, -3, 0, "x"),
			},
		}
	}
	if j := audit.Judge(carts()); j.Stock() != audit.Held {
		t.Errorf("Judge = %+v, want all held", j)
	}
	for name, row := range map[string]struct {
		seed func(r *audit.Records)
		want string
	}{
		"one line of the cart is not taken": {func(r *audit.Records) { r.Ledger = r.Ledger[:3] }, audit.ConfirmedExist},
		"lines of one SKU are not summed":   {func(r *audit.Records) { r.Ledger[2].Delta, r.Ledger[2].OnHand = -1, 2 }, audit.ConfirmedExist},
		"something else is taken too": {func(r *audit.Records) {
			r.Ledger = append(r.Ledger, load.Movement{SKU: "C", Version: 1, Delta: 3, OnHand: 3, Reason: "created"}, move("C", 2, -1, 2, "x"))
		}, audit.ConfirmedExist},
		"refused although both are there": {func(r *audit.Records) { r.Ops[1].Lines = r.Ops[1].Lines[:1] }, audit.RefusalsTrue},
		"the second SKU is oversold": {func(r *audit.Records) {
			r.Ledger[3].Delta, r.Ledger[3].OnHand = -4, -1
		}, audit.NeverOversold},
	} {
		r := carts()
		row.seed(&r)
		if got := named(audit.Judge(r), row.want); got.Verdict != audit.Violated {
			t.Errorf("%s: %+v, want it violated", name, got)
		}
	}
}

// Attempts with one key are one order, whichever of them was confirmed.
func TestJudge_RepeatedAttemptsAreOneOrder(t *testing.T) {
	t.Parallel()
	r := complete()
	lost, replay := r.Ops[0], r.Ops[0]
	lost.Seq, lost.Outcome, lost.OrderID = 5, load.Unknown, ""
	lost.Call, lost.Return = at(0), at(1)
	r.Ops[0].Call, r.Ops[0].Return = at(9), at(15)
	replay.Seq, replay.Call, replay.Return = 6, at(70), at(80) // long after the next sale was answered
	r.Ops = append(r.Ops, lost, replay)
	if j := audit.Judge(r); j.Stock() != audit.Held {
		t.Errorf("Judge = %+v, want all held", j)
	}
	r.Ops[6].Key = "" // and without the key they are two orders
	if got := named(audit.Judge(r), audit.ConfirmedExist); got.Verdict != audit.Violated {
		t.Errorf("%+v, want it violated", got)
	}
}

func TestJudge_ExplainsAnOversell(t *testing.T) {
	t.Parallel()
	r := complete()
	r.Ledger = append(r.Ledger, load.Movement{Version: 5, Delta: -1, Reason: "sale", OrderID: "order-3", OnHand: -1, Token: 9, Replica: "r2"})
	r.Ops[3].Outcome, r.Ops[3].OrderID, r.Ops[3].Version, r.Ops[3].Left, r.Ops[3].Replica = load.Confirmed, "order-3", 5, -1, "r2"
	r.Leases = append(r.Leases, audit.Lease{Replica: "r2", Token: 9, Entered: at(20), Left: at(44)})
	want := []string{
		"Order order-2 at r1 with token 12, sent at 20.0 ms and answered at 35.0 ms, took the last of what there was: 0 left at version 4.",
		"Order order-3 at r2 with token 9, sent at 30.0 ms and answered at 45.0 ms, took the same again: -1 left at version 5.",
		"Both orders were under way from 30.0 ms to 35.0 ms.",
		"r1 held the lock with token 12 from 22.0 ms to 32.0 ms.",
		"r2 held the lock with token 9 from 20.0 ms to 44.0 ms.",
	}
	if got := audit.Judge(r).Trace; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("Trace = %s", strings.Join(got, "\n"))
	}
	r.Ops[3].Call, r.Ops[3].Return = at(60), at(70)
	if got := strings.Join(audit.Judge(r).Trace, "\n"); !strings.Contains(got, "trusted a level that was old") {
		t.Errorf("Trace = %s, want it to say that they never met", got)
	}
}

// many returns the records of n clean orders, half of them refused.
func many(n int) audit.Records {
	r := audit.Records{Clients: 64, Ledger: []load.Movement{{Version: 1, Delta: int64(n / 2), Reason: "created", OnHand: int64(n / 2)}}}
	for i := range n {
		op := load.Op{Seq: i, Quantity: 1, Outcome: load.SoldOut, Call: time.Duration(i) * time.Microsecond, Return: time.Duration(i+64) * time.Microsecond}
		if i < n/2 {
			op.Outcome, op.OrderID, op.Version, op.Left = load.Confirmed, fmt.Sprintf("o%d", i), int64(i+2), int64(n/2-i-1)
			r.Ledger = append(r.Ledger, load.Movement{Version: op.Version, Delta: -1, Reason: "sale", OrderID: op.OrderID, OnHand: op.Left, Token: int64(i / 8)})
		}
		r.Ops = append(r.Ops, op)
	}
	return r
}

// The search of a history that is too long is undecided, and the linear checks decide.
func TestJudge_LongHistories(t *testing.T) {
	t.Parallel()
	j := audit.Judge(many(200_000))
	if j.Stock() != audit.Held {
		t.Errorf("Stock = %s: %+v", j.Stock(), j.Invariants)
	}
	if got := named(audit.Judgement{Invariants: j.Counted}, audit.Linearizable); got.Verdict != audit.Undecided {
		t.Errorf("%+v, want it undecided and only counted", got)
	}
	if got := named(audit.Judge(many(2_000)), audit.Linearizable); got.Verdict != audit.Held {
		t.Errorf("%+v, want it held", got)
	}
}

func BenchmarkJudge(b *testing.B) {
	for _, n := range []int{2_000, 20_000, 200_000} {
		r := many(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				audit.Judge(r)
			}
		})
	}
}
