package locks

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/bench/sample"
)

// taken is the sample of a process that took turns of 2 ms, each after wait.
func taken(t *testing.T, turns, overlaps int, wait time.Duration, failure error) sample.Sample {
	t.Helper()
	tally := sample.NewTally()
	for range turns {
		tally.Turn(2 * time.Millisecond)
		tally.Wait(wait)
	}
	tally.Overlaps = int64(overlaps)
	if failure != nil {
		tally.Fail(failure)
	}
	s, err := tally.Seal()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMeasure_DrawsTheProcessesTogether(t *testing.T) {
	t.Parallel()
	m, err := measure([]sample.Sample{
		taken(t, 30, 0, time.Millisecond, nil),
		taken(t, 10, 2, 4*time.Millisecond, errors.New("gave up")),
	}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	near := func(got, want float64) bool { return math.Abs(got-want) <= want/500 } // three digits
	if m.TurnsPerSecond != 80 || m.Overlaps != 2 || m.Failures != 1 || m.Failure != "gave up" ||
		m.Shares != (Shares{50, 150}) || !near(m.HoldMS, 2) {
		t.Errorf("measure() = %+v", m)
	}
	if !near(m.Wait.P50, 1) || !near(m.Wait.P99, 4) || !near(m.Wait.Longest, 4) {
		t.Errorf("waits = %+v, want 1, 4 and 4 ms", m.Wait)
	}

	idle, err := measure([]sample.Sample{taken(t, 0, 0, 0, nil)}, 1)
	if err != nil || idle != (Measurement{}) {
		t.Errorf("measure() of no turns = %+v, %v, want zeros", idle, err)
	}
	if _, err := measure([]sample.Sample{{Waits: "hope"}}, 1); err == nil {
		t.Error("measure() took a histogram that is none")
	}
}

func TestCell_MediansOfFiguresTheWorstOfExtremesAndSumsOfWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := Cell{Rounds: []Measurement{
		{TurnsPerSecond: 3, Wait: Waits{1, 8, 9}, Shares: Shares{90, 110}, Overlaps: 1},
		{TurnsPerSecond: 1, Wait: Waits{3, 7, 8}, Shares: Shares{40, 150}, Failures: 2, Failure: "gave up"},
		{TurnsPerSecond: 2, Wait: Waits{2, 9, 99}, Shares: Shares{80, 180}, Failures: 1, Failure: "later"},
	}}
	c.conclude()
	want := Measurement{TurnsPerSecond: 2, Wait: Waits{2, 8, 99}, Shares: Shares{40, 180}, Overlaps: 1, Failures: 3, Failure: "gave up"}
	if c.Median != want {
		t.Errorf("medians %+v, want %+v", c.Median, want)
	}
}

// figures has redis and zookeeper meet every goal, each narrowly.
func figures() Figures {
	alone, many := Setting{1, 1, 0}, Setting{4, 8, GoalHold}
	cell := func(name string, s Setting, turns float64, w Waits) Cell {
		c := Named([]string{name})[0]
		return Cell{
			Contender: name, Mode: c.Mode, Server: c.Server, OneProcess: c.OneProcess, Setting: s,
			Median: Measurement{TurnsPerSecond: turns, Wait: w},
		}
	}
	return Figures{
		RoundTrips: map[string]float64{onRedis: 0.5}, // 32 × (2 + 0.5) ms = 80 ms
		Cells: []Cell{
			cell("redis", alone, 900, Waits{}), cell("redsync", alone, 1000, Waits{}),
			cell("zookeeper", alone, 130, Waits{}), cell("zk.Lock", alone, 100, Waits{}),
			cell("local", many, 9999, Waits{}),
			cell("redis", many, 400, Waits{70, 120, 160}),
			cell("redsync", many, 300, Waits{}), cell("redislock", many, 400, Waits{}), cell("redsync-5ms", many, 399, Waits{}),
			cell("zookeeper", many, 260, Waits{}), cell("zk.Lock", many, 200, Waits{}),
		},
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	change := func(contender string, s Setting, change func(*Measurement)) func(*Figures) {
		return func(f *Figures) {
			c := f.cell(func(c Cell) bool { return c.Setting == s }, contender)
			change(&c.Median)
		}
	}
	alone, many := Setting{1, 1, 0}, Setting{4, 8, GoalHold}
	for name, row := range map[string]struct {
		change func(*Figures)
		unmet  string // part of the goal's name
	}{
		"all are met by little":               {func(*Figures) {}, ""},
		"the best library is faster":          {change("redislock", many, func(m *Measurement) { m.TurnsPerSecond = 401 }), "redislock, the best"},
		"p99 is too long":                     {change("redis", many, func(m *Measurement) { m.Wait.P99 = 121 }), "p99"},
		"the longest wait is too long":        {change("redis", many, func(m *Measurement) { m.Wait.Longest = 161 }), "longest"},
		"the ideal wait is shorter":           {func(f *Figures) { f.RoundTrips[onRedis] = 0.49 }, "wait"},
		"redis alone is too slow":             {change("redis", alone, func(m *Measurement) { m.TurnsPerSecond = 899 }), "uncontended: redis"},
		"zookeeper alone is too slow":         {change("zookeeper", alone, func(m *Measurement) { m.TurnsPerSecond = 129 }), "uncontended: zookeeper"},
		"zookeeper is too slow":               {change("zk.Lock", many, func(m *Measurement) { m.TurnsPerSecond = 201 }), "hold 2ms: zookeeper"},
		"a mode let two in":                   {change("zookeeper", many, func(m *Measurement) { m.Overlaps = 1 }), "overlapping turns"},
		"a mode gave up":                      {change("redis", many, func(m *Measurement) { m.Failures = 1 }), "errors"},
		"local lets two processes in":         {change("local", many, func(m *Measurement) { m.Overlaps = 99 }), ""},
		"a fast library that lets two in":     {change("redislock", many, func(m *Measurement) { m.TurnsPerSecond, m.Overlaps = 900, 1 }), ""},
		"a library that gave up still counts": {change("redislock", many, func(m *Measurement) { m.TurnsPerSecond, m.Failures = 401, 1 }), "redislock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := figures()
			row.change(&f)
			f.Goals = judge(f)
			if len(f.Goals) != 7 {
				t.Fatalf("%d goals, want 7: %+v", len(f.Goals), f.Goals)
			}
			for _, g := range f.Goals {
				if want := row.unmet == "" || !strings.Contains(g.Name, row.unmet); g.Met != want {
					t.Errorf("%s: %v of %v, met %v, want %v", g.Name, g.Got, g.Limit, g.Met, want)
				}
			}
			if want := map[bool]audit.Verdict{true: audit.Held, false: audit.Violated}[row.unmet == ""]; bench.Verdict(f.Goals) != want {
				t.Errorf("verdict %s, want %s", bench.Verdict(f.Goals), want)
			}
		})
	}
}

func TestJudge_OnlyWhatWasMeasured(t *testing.T) {
	t.Parallel()
	f := figures()
	f.Cells = slices.DeleteFunc(f.Cells, func(c Cell) bool { return c.Contender != "local" })
	if f.Goals = judge(f); len(f.Goals) != 0 || bench.Verdict(f.Goals) != audit.Undecided {
		t.Errorf("local alone has goals %+v, verdict %s", f.Goals, bench.Verdict(f.Goals))
	}
	f = figures()
	for i := range f.Cells {
		if f.Cells[i].contended() {
			f.Cells[i].Hold = time.Millisecond
		}
	}
	if f.Goals = judge(f); len(f.Goals) != 3 || bench.Verdict(f.Goals) != audit.Held {
		t.Errorf("with a hold of 1 ms the goals are %+v, want the two of who is alone, and exclusion", f.Goals)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	f := figures()
	f.Cells[7].Median.Overlaps = 3
	f.Cells[8].Median.Failures, f.Cells[8].Median.Failure = 2, "gave up"
	f.Rounds, f.Window = 3, time.Second
	f.Goals, f.Notes = judge(f), notes(Plan{Contenders: Named([]string{"redis"})}, nil, f.RoundTrips)
	var b strings.Builder
	for _, part := range f.Parts() {
		b.WriteString(part.Text() + "\n")
	}
	b.WriteString(strings.Join(f.Notes, "\n"))
	for _, want := range []string{
		"Medians of 3 rounds of 1s", "Round trip of redis: 0.500 ms", "4 × 8, hold 2ms", "LET IN TWO AT ONCE, 3 times", "2 errors, first: gave up",
		"each process by itself", "A waiter that releases the lock",
	} {
		if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) { // lines are folded
			t.Errorf("the text lacks %q:\n%s", want, b.String())
		}
	}
}

func TestPlan_EveryContenderOncePerRoundAndSetting(t *testing.T) {
	t.Parallel()
	p := Plan{Contenders: Named([]string{"zk.Lock", "local", "redis", "redis"}), Processes: 4, Waiters: 8, Holds: []time.Duration{0, 1}, Rounds: 3}
	if len(p.Contenders) != 3 || p.Contenders[0].Name != "local" || p.Parts() != 3*(3*3+2) {
		t.Errorf("contenders %v, %d parts", p.Contenders, p.Parts())
	}
	if got := p.settings(); len(got) != 3 || got[0].contended() || !got[1].contended() {
		t.Errorf("settings %v", got)
	}
	for _, server := range serversOf(Contenders) {
		if starters[server] == nil {
			t.Errorf("nothing starts %s", server)
		}
	}
}
