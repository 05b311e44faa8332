package locks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orderd/loadtest/bench"
)

// A Plan says what to measure.
type Plan struct {
	Contenders         []Contender
	Processes, Waiters int
	Holds              []time.Duration
	Rounds             int
	Window             time.Duration
}

// warmUp is how long turns do not count at first.
func (p Plan) warmUp() time.Duration { return p.Window / 4 }

// settings returns the settings in which each contender is measured: alone, and then
// contended, once for each hold.
func (p Plan) settings() []Setting {
	settings := []Setting{{Processes: 1, Waiters: 1}}
	for _, hold := range p.Holds {
		settings = append(settings, Setting{p.Processes, p.Waiters, hold})
	}
	return settings
}

// Parts is the number of samples that the plan takes.
func (p Plan) Parts() int {
	return p.Rounds * (len(p.settings())*len(p.Contenders) + len(p.pinged()))
}

// pinged are the servers whose round trip is measured.
func (p Plan) pinged() []string {
	return slices.DeleteFunc(serversOf(p.Contenders), func(server string) bool {
		_, ok := pings[server]
		return !ok
	})
}

// Run takes the samples, round by round. In a round every contender has each setting once,
// right after the others, and each round begins with a different contender: what changes on
// the machine over time affects all alike. begin is called with what comes next, end with the
// result.
func (p Plan) Run(ctx context.Context, l *Lab, begin, end func(string, ...any)) (Figures, error) {
	r := runner{plan: p, lab: l, begin: begin, end: end, about: map[string]string{}}
	for _, s := range p.settings() {
		for _, c := range p.Contenders {
			r.cells = append(r.cells, Cell{
				Contender: c.Name, Mode: c.Mode, Server: c.Server, OneProcess: c.OneProcess, Setting: s,
			})
		}
	}
	trips := map[string][]float64{}
	for round := range p.Rounds {
		for _, server := range p.pinged() {
			m, err := r.sample(ctx, round, pings[server], Setting{Processes: 1, Waiters: 1})
			if err != nil {
				return Figures{}, err
			}
			trips[server] = append(trips[server], m.Wait.P50)
		}
		if err := r.round(ctx, round); err != nil {
			return Figures{}, err
		}
	}

	f := Figures{Rounds: p.Rounds, Window: p.Window, RoundTrips: map[string]float64{}, Cells: r.cells, Versions: r.versions}
	for server, of := range trips {
		f.RoundTrips[server] = bench.Median(of)
	}
	for i := range f.Cells {
		f.Cells[i].conclude()
	}
	f.Goals = judge(f)
	f.Notes = notes(p, r.about, f.RoundTrips)
	return f, nil
}

// A runner carries out a plan.
type runner struct {
	plan       Plan
	lab        *Lab
	cells      []Cell // by setting, and in each by contender
	begin, end func(string, ...any)
	about      map[string]string // of each contender
	versions   map[string]string
}

func (r *runner) round(ctx context.Context, round int) error {
	n := len(r.plan.Contenders)
	for s, setting := range r.plan.settings() {
		for i := range n {
			c := (i + round) % n
			m, err := r.sample(ctx, round, r.plan.Contenders[c], setting)
			if err != nil {
				return err
			}
			cell := &r.cells[s*n+c]
			cell.Rounds = append(cell.Rounds, m)
		}
	}
	return nil
}

func (r *runner) sample(ctx context.Context, round int, c Contender, s Setting) (Measurement, error) {
	r.begin("round %d, %s, %s", round+1, s, c.Name)
	samples, err := r.lab.take(ctx, c, s, r.plan)
	if err != nil {
		return Measurement{}, fmt.Errorf("%s, %s: %w", c.Name, s, err)
	}
	r.about[c.Name], r.versions = samples[0].About, samples[0].Versions
	m, err := measure(samples, r.plan.Window.Seconds())
	if err != nil {
		return m, err
	}
	r.end("%.0f turns/s, waits of %.2f ms, at most %.1f ms", m.TurnsPerSecond, m.Wait.P50, m.Wait.Longest)
	return m, nil
}

// String names the setting in tables.
func (s Setting) String() string {
	if !s.contended() {
		return "uncontended"
	}
	return fmt.Sprintf("%d × %d, hold %s", s.Processes, s.Waiters, s.Hold)
}

// notes say what a reader of the table has to know.
func notes(p Plan, about map[string]string, trips map[string]float64) []string {
	var notes []string
	for _, c := range p.Contenders {
		notes = append(notes, c.Name+": "+about[c.Name]+".")
	}
	for _, server := range p.pinged() {
		notes = append(notes, fmt.Sprintf("Round trip of %s: %.3f ms, the median of a single client that sends nothing but %s.",
			server, trips[server], about[pings[server].Name]))
	}
	return append(notes, "A waiter that releases the lock asks for it again at once. A lock without a queue often grants it "+
		"to the same waiter before another asks: that needs no hand-over, and the others wait all the longer.")
}
