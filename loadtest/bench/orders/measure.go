package orders

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A Measurement is the result of one round, or that of all: of each figure the median over the
// rounds, or the worst where that is what it is about.
type Measurement struct {
	// PerSecond are orders confirmed (the audit finds each in the ledger, or counts it as a
	// violation); refusals, in a scenario that is sold out or crowded; transactions, of pgbench;
	// answers, of nothing.
	PerSecond float64            `json:"per_second"`
	Latency   report.Percentiles `json:"latency_ms"` // of an open loop: from when the order was due
	// Least and Most are the shares of the replicas with the fewest and the most orders, in
	// percent of an equal share.
	Least float64 `json:"least_share_percent,omitempty"`
	Most  float64 `json:"most_share_percent,omitempty"`
	// Group is the mean of how many orders one lease served; 0 in mode none, and where there are
	// several SKUs, as a lease then has several tokens.
	Group float64 `json:"orders_per_group,omitempty"`
	// Others are the orders with another answer than the scenario should give.
	Others   int     `json:"others,omitempty"`
	Audited  int     `json:"audited,omitempty"`             // orders that the ledger was compared with
	ClientUS float64 `json:"client_us_per_order,omitempty"` // CPU time of the clients, µs
	// PeakMiB is the most memory that a replica had resident without the pages of its
	// program's file, and ProgramMiB are those pages.
	PeakMiB    float64 `json:"peak_resident_mib,omitempty"`
	ProgramMiB float64 `json:"program_resident_mib,omitempty"`
	// Violations are what the audit found; there must be none.
	Violations []string `json:"violations,omitempty"`
}

func (l *Lab) measure(ctx context.Context, s Scenario, warmUp, window time.Duration) (Measurement, error) {
	switch s.What {
	case three, one:
		script := map[string]string{three: threeStatements, one: oneStatement}[s.What]
		rate, err := l.pgbench(ctx, script, s.Clients, s.SKUs, warmUp, window)
		return Measurement{PerSecond: rate}, err
	case nothing:
		return l.nothing(ctx, s, warmUp, window)
	default:
		return l.orderd(ctx, s, warmUp, window)
	}
}

// orderd measures replicas, and audits what they have sold.
func (l *Lab) orderd(ctx context.Context, s Scenario, warmUp, window time.Duration) (m Measurement, err error) {
	d, err := l.databaseOf(ctx, s)
	if err != nil {
		return m, err
	}
	if !s.Large {
		defer func() { err = errors.Join(err, l.drop(ctx, d)) }()
	}
	units := int64(plenty)
	if s.SoldOut {
		units = 0
	}
	skus, err := d.stock(ctx, l.next("C")+"-", s.SKUs, units)
	if err != nil {
		return m, err
	}
	setup := fleet.Setup{
		Mode: s.Lock, Replicas: s.Replicas, LockWait: 10 * time.Second, BatchMax: s.BatchMax, Work: s.Work, DatabaseURL: d.url, Shared: true,
	}
	if s.Shop {
		setup.Flags = l.shop.flags()
	}
	replicas, err := l.fleet.Start(ctx, setup)
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, replicas.Stop(ctx)) }() // before the database is dropped
	rush := load.Generator{
		Targets: hosts(replicas.URLs), Clients: s.Clients, Lasts: warmUp + window,
		SKUs: skus, Pick: s.picks(rand.Uint64()), PerSecond: s.Rate, Orders: s.Orders,
	}
	var orders []load.Order
	if s.Shop {
		rush.APIKey = l.shop.apiKey
		rush.FirstKey = 1 + rand.Int64N(math.MaxInt64/2) // the large database has those of the rounds before
	}
	if s.Orders > 0 {
		m, orders, err = crowd(ctx, rush)
	} else {
		m, orders, err = s.rush(ctx, rush, warmUp, window)
	}
	if err != nil {
		return m, err
	}
	memory, err := replicas.Memory()
	if err != nil {
		return m, err
	}
	m.PeakMiB, m.ProgramMiB = memory.Peak, memory.Program
	return m, d.audit(ctx, skus, orders, &m)
}

// databaseOf returns the database for a scenario: the large one, or a fresh one.
func (l *Lab) databaseOf(ctx context.Context, s Scenario) (database, error) {
	if !s.Large {
		return l.fresh(ctx)
	}
	// Or the relay would deliver what was sold without one in between.
	err := l.large.with(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "DELETE FROM ledger_readers")
		return err
	})
	return l.large, problem("forget who reads the ledger", err)
}

// rush sends the orders and measures those of the window.
func (s Scenario) rush(ctx context.Context, r load.Generator, warmUp, window time.Duration) (Measurement, []load.Order, error) {
	orders, used, err := r.Run(ctx)
	if err != nil {
		return Measurement{}, nil, err
	}
	right := load.Confirmed
	if s.SoldOut {
		right = load.SoldOut
	}
	m := measured(orders, right, len(r.Targets), inWindow(r.PerSecond > 0, warmUp, window))
	m.PerSecond /= window.Seconds()
	m.ClientUS = float64(used.Microseconds()) / float64(max(1, len(orders)))
	return m, orders, nil
}

// inWindow says which orders count: those that were answered in the window or, in an open loop,
// were due in it, however late the answer came.
func inWindow(open bool, warmUp, window time.Duration) func(load.Order) bool {
	return func(o load.Order) bool {
		at := o.Return
		if open {
			at = o.Call
		}
		return at >= warmUp && at < warmUp+window
	}
}

// measured counts those of the orders that have the right outcome and count. PerSecond is their
// number.
func measured(orders []load.Order, right load.Outcome, targets int, counts func(load.Order) bool) (m Measurement) {
	shares := map[string]int{}
	var latencies []time.Duration
	for _, o := range orders {
		switch {
		case o.Outcome != right:
			m.Others++
		case counts(o):
			shares[o.Replica]++
			latencies = append(latencies, o.Latency())
		}
	}
	m.PerSecond = float64(len(latencies))
	m.Latency = report.PercentilesOf(latencies)
	if equal := float64(len(latencies)) / float64(targets); targets > 1 && equal > 0 {
		of := slices.Collect(maps.Values(shares))
		m.Most = 100 * float64(slices.Max(of)) / equal
		if m.Least = 100 * float64(slices.Min(of)) / equal; len(of) < targets {
			m.Least = 0
		}
	}
	return m
}

// audit compares the answers that the clients got with the ledger.
func (d database) audit(ctx context.Context, skus []string, orders []load.Order, m *Measurement) error {
	ledgers, err := d.ledgers(ctx, skus)
	if err != nil {
		return err
	}
	ops := make([][]load.Op, len(skus))
	for _, o := range orders {
		ops[o.SKU] = append(ops[o.SKU], o.Op)
	}
	groups, sales := map[int64]bool{}, 0
	for i := range skus {
		for _, movement := range ledgers[i] {
			if movement.Reason == "sale" {
				sales++
				groups[movement.Token] = true
			}
		}
		for _, invariant := range audit.Judge(audit.Records{Ops: ops[i], Ledger: ledgers[i]}).Invariants {
			// Undecided is only what was not put to the test: here, that the stock runs out.
			if invariant.Verdict == audit.Violated {
				m.Violations = append(m.Violations, skus[i]+": "+invariant.Name+": "+invariant.Evidence)
			}
		}
	}
	m.Audited = len(orders)
	if sales > 0 && len(skus) == 1 && !groups[0] {
		m.Group = float64(sales) / float64(len(groups))
	}
	return nil
}

func hosts(urls []string) []string {
	hosts := make([]string, len(urls))
	for i, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil {
			panic(err) // the fleet has made it
		}
		hosts[i] = parsed.Host
	}
	return hosts
}
