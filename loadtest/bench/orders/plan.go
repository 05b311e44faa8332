package orders

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"orderd/loadtest/bench"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// A Plan says what to measure, and how often.
type Plan struct {
	Rounds int
	Window time.Duration // in which orders count, after a quarter of it to warm up
	Large  int           // sales that the large database already has; 0: none is made
	Curves bool
	Only   *regexp.Regexp // matches the names of the scenarios that are measured
}

func (p Plan) warmUp() time.Duration { return p.Window / 4 }

// hotClients is how many clients the scenarios with a single replica have.
const hotClients = 64

// Scenarios that goals are about.
var (
	hot       = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: hotClients, SKUs: 1}
	hotFour   = Scenario{What: ours, Lock: modes.Redis, Replicas: 4, BatchMax: 64, Clients: 32, SKUs: 1}
	hotZoo    = Scenario{What: ours, Lock: modes.ZooKeeper, Replicas: 4, BatchMax: 64, Clients: 32, SKUs: 1}
	spread    = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: hotClients, SKUs: 1000}
	soldOut   = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: hotClients, SKUs: 1, SoldOut: true}
	idle      = Scenario{What: nothing, Clients: hotClients, SKUs: 1}
	crowdOne  = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: crowdClients, SKUs: 1, Orders: crowdOrders, Work: crowdWork}
	crowdMany = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: crowdClients, SKUs: 1000, Orders: crowdOrders, Work: crowdWork}
	hotLarge  = Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 64, Clients: hotClients, SKUs: 1, Large: true}
)

// inShop is a scenario as a shop would run it.
func inShop(s Scenario) Scenario {
	s.Shop = true
	return s
}

// scenarios are the scenarios that are measured in every round: the references, those that goals
// are about, and others that are worth knowing.
func (p Plan) scenarios() []Scenario {
	var shapes []Scenario
	for _, skus := range []int{1, spread.SKUs} {
		for _, what := range []string{three, one} {
			for _, clients := range referenceClients {
				shapes = append(shapes, Scenario{What: what, Clients: clients, SKUs: skus})
			}
		}
	}
	shapes = append(shapes, hot, hotFour,
		Scenario{What: ours, Lock: modes.ZooKeeper, Replicas: 1, BatchMax: 64, Clients: hotClients, SKUs: 1}, hotZoo,
		spread, idle, soldOut, crowdOne, crowdMany,
		Scenario{What: ours, Lock: modes.None, Replicas: 1, BatchMax: 1, Clients: hotClients, SKUs: 1},
		Scenario{What: ours, Lock: modes.Redis, Replicas: 1, BatchMax: 1, Clients: hotClients, SKUs: 1})
	if p.Large > 0 {
		shapes = append(shapes, hotLarge, inShop(hotLarge))
	}
	for _, s := range []Scenario{hot, hotFour, hotZoo, spread} {
		shapes = append(shapes, inShop(s))
	}
	return slices.DeleteFunc(shapes, func(s Scenario) bool { return !p.Only.MatchString(s.String()) })
}

// curves are what is drawn: one parameter changes, all else is as in a scenario above.
func curves() map[string][]Scenario {
	with := func(base Scenario, change func(*Scenario)) Scenario { change(&base); return base }
	all := map[string][]Scenario{}
	for clients := 1; clients <= 512; clients *= 2 {
		all[byClients] = append(all[byClients], with(hot, func(s *Scenario) { s.Clients = clients }))
	}
	for replicas := 1; replicas <= 4; replicas++ {
		all[byReplicas] = append(all[byReplicas], with(hotFour, func(s *Scenario) { s.Replicas = replicas }))
	}
	for skus := 1; skus <= 1000; skus *= 10 {
		all[bySKUs] = append(all[bySKUs], with(spread, func(s *Scenario) { s.SKUs = skus }))
		if skus > 1 {
			all[byZipf] = append(all[byZipf], with(spread, func(s *Scenario) { s.SKUs, s.Zipf = skus, true }))
		}
	}
	for batch := 1; batch <= 256; batch *= 2 {
		all[byGroup] = append(all[byGroup], with(hot, func(s *Scenario) { s.BatchMax, s.Clients = batch, 256 }))
	}
	return all
}

// The curves, by the parameter that changes along them.
const (
	byClients  = "clients"
	byReplicas = "replicas"
	bySKUs     = "SKUs"
	byZipf     = "SKUs, Zipf 1.0"
	byGroup    = "largest group"
)

// curveNames are the curves in the order in which they are shown.
var curveNames = []string{byClients, byReplicas, byGroup, bySKUs, byZipf}

// Parts is the number of measurements that the plan takes.
func (p Plan) Parts() int {
	parts := p.Rounds * len(p.scenarios())
	if slices.Contains(p.scenarios(), hot) {
		parts += p.Rounds // the open loop
	}
	if p.Curves {
		for _, shapes := range curves() {
			parts += len(shapes)
		}
	}
	return parts
}

// Figures are the results of a run of the benchmark.
type Figures struct {
	Rounds int                 `json:"rounds"`
	Window time.Duration       `json:"window_ns"`
	Table  []Figure            `json:"table"`
	Curves map[string][]Figure `json:"curves,omitempty"` // of one round
	Goals  []bench.Goal        `json:"goals"`
	Notes  []string            `json:"notes"`
}

// Run measures, round by round: what changes on the machine over time affects all scenarios
// alike. begin is called with what comes next, end with the result.
func (p Plan) Run(ctx context.Context, l *Lab, begin, end func(string, ...any)) (Figures, error) {
	if p.Large > 0 {
		begin("filling a database with %d sales", p.Large)
		if err := l.fill(ctx, p.Large); err != nil {
			return Figures{}, err
		}
		end("done")
	}
	r := runner{p, l, begin, end}
	f := Figures{Rounds: p.Rounds, Window: p.Window, Curves: map[string][]Figure{}}
	for _, s := range p.scenarios() {
		f.Table = append(f.Table, Figure{Scenario: s})
	}
	for round := range p.Rounds {
		first := round * len(f.Table) / p.Rounds // not always the same at the beginning
		for i := range f.Table {
			if err := r.add(ctx, &f.Table[(first+i)%len(f.Table)], round); err != nil {
				return f, err
			}
		}
	}
	if err := r.open(ctx, &f); err != nil {
		return f, err
	}
	if p.Curves {
		for _, name := range curveNames {
			for _, s := range curves()[name] {
				point := Figure{Scenario: s}
				if err := r.add(ctx, &point, 0); err != nil {
					return f, err
				}
				f.Curves[name] = append(f.Curves[name], point)
			}
		}
	}
	f.Goals = judge(f)
	f.Notes = notes(p, f)
	return f, nil
}

// open adds an open loop. A closed one waits for late answers, and so measures them too
// rarely (coordinated omission).
func (r runner) open(ctx context.Context, f *Figures) error {
	found := f.figure(hot)
	if len(found.Rounds) == 0 {
		return nil
	}
	open := Figure{Scenario: hot}
	open.Clients, open.Rate = openClients, openShare*found.Median.PerSecond
	for round := range r.plan.Rounds {
		if err := r.add(ctx, &open, round); err != nil {
			return err
		}
	}
	f.Table = append(f.Table, open)
	return nil
}

const (
	// openShare is the share of the measured rate at which the open loop sends.
	openShare = 0.7
	// openClients are enough that no order waits for a connection.
	openClients = 512
)

type runner struct {
	plan       Plan
	lab        *Lab
	begin, end func(string, ...any)
}

// add adds one more measurement to a figure.
func (r runner) add(ctx context.Context, f *Figure, round int) error {
	r.begin("round %d, %s", round+1, f.Scenario)
	m, err := r.lab.measure(ctx, f.Scenario, r.plan.warmUp(), r.plan.Window)
	if err != nil {
		return fmt.Errorf("%s: %w", f.Scenario, err)
	}
	f.Rounds = append(f.Rounds, m)
	f.Median = medianOf(f.Rounds)
	r.end("%.0f/s, p50 %.2f ms, p99 %.2f ms", m.PerSecond, m.Latency.P50, m.Latency.P99)
	return nil
}

// medianOf takes the median of each figure on its own, which need not be of the same round; of
// the extremes the worst, and of totals, and what must not happen, the sum.
func medianOf(rounds []Measurement) Measurement {
	median := Measurement{
		PerSecond:  bench.MedianOf(rounds, func(m Measurement) float64 { return m.PerSecond }),
		Latency:    medianLatency(rounds, func(m Measurement) report.Percentiles { return m.Latency }),
		Least:      rounds[0].Least,
		Group:      bench.MedianOf(rounds, func(m Measurement) float64 { return m.Group }),
		ClientUS:   bench.MedianOf(rounds, func(m Measurement) float64 { return m.ClientUS }),
		ProgramMiB: bench.MedianOf(rounds, func(m Measurement) float64 { return m.ProgramMiB }),
	}
	for _, m := range rounds {
		median.Least, median.Most = min(median.Least, m.Least), max(median.Most, m.Most)
		median.PeakMiB = max(median.PeakMiB, m.PeakMiB)
		median.Others += m.Others
		median.Audited += m.Audited
		median.Violations = append(median.Violations, m.Violations...)
	}
	return median
}

// medianLatency takes the median of each percentile, and the longest of all rounds.
func medianLatency[T any](rounds []T, of func(T) report.Percentiles) report.Percentiles {
	median := report.Percentiles{
		P50: bench.MedianOf(rounds, func(r T) float64 { return of(r).P50 }),
		P90: bench.MedianOf(rounds, func(r T) float64 { return of(r).P90 }),
		P99: bench.MedianOf(rounds, func(r T) float64 { return of(r).P99 }),
	}
	for _, r := range rounds {
		median.Max = max(median.Max, of(r).Max)
	}
	return median
}
