package locks

import (
	"cmp"
	"time"

	"orderd/loadtest/bench"
	"orderd/loadtest/bench/sample"
)

// Figures are the results of a run of the benchmark.
type Figures struct {
	Rounds int           `json:"rounds"`
	Window time.Duration `json:"window_ns"`
	// RoundTrips are the medians of the round trips to each server, in milliseconds, while it
	// had nothing else to do.
	RoundTrips map[string]float64 `json:"round_trip_ms"`
	Cells      []Cell             `json:"cells"`
	Goals      []bench.Goal       `json:"goals"`
	Notes      []string           `json:"notes"`
	Versions   map[string]string  `json:"-"` // of the libraries
}

// A Cell is one contender in one setting.
type Cell struct {
	Contender  string `json:"contender"`
	Mode       bool   `json:"mode"`   // orderd's own, else a library
	Server     string `json:"server"` // empty: none
	OneProcess bool   `json:"one_process"`
	Setting
	Median Measurement   `json:"median"`
	Rounds []Measurement `json:"rounds"`
}

// A Measurement is the result of one round's samples, or that of all rounds: medians, and of the
// longest wait and the shares the worst.
type Measurement struct {
	TurnsPerSecond float64 `json:"turns_per_second"`
	Wait           Waits   `json:"wait_ms"`
	Shares         Shares  `json:"shares_percent"`
	HoldMS         float64 `json:"hold_ms"`  // mean of the actual holds
	Overlaps       int64   `json:"overlaps"` // turns granted while another held the lock; a sum
	Failures       int64   `json:"failures"` // a sum
	Failure        string  `json:"failure,omitempty"`
}

// Waits are how long turns were waited for, in milliseconds. Those not granted when the
// window closed count with their whole wait.
type Waits struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Longest float64 `json:"longest"`
}

// Shares are the turns of the process with the fewest and of the one with the most, in
// percent of an equal share.
type Shares struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
}

// contended reports whether more than one waiter wants the lock.
func (s Setting) contended() bool { return s.wanted() > 1 }

// wanted is how many waiters want the lock at a time.
func (s Setting) wanted() int { return s.Processes * s.Waiters }

// measure combines the samples of one round's processes.
func measure(samples []sample.Sample, seconds float64) (Measurement, error) {
	var m Measurement
	waits := sample.NewWaits()
	var turns, least, most int64
	var held float64
	for i, s := range samples {
		if err := waits.Merge(s); err != nil {
			return m, err
		}
		if i == 0 || s.Turns < least {
			least = s.Turns
		}
		most = max(most, s.Turns)
		turns += s.Turns
		held += s.HeldSeconds
		m.Overlaps += s.Overlaps
		m.Failures += s.Failures
		m.Failure = cmp.Or(m.Failure, s.Failure)
	}
	m.TurnsPerSecond = float64(turns) / seconds
	m.Wait = Waits{waits.Quantile(50), waits.Quantile(99), waits.Longest()}
	if turns > 0 {
		equal := float64(turns) / float64(len(samples))
		m.Shares = Shares{100 * float64(least) / equal, 100 * float64(most) / equal}
		m.HoldMS = 1000 * held / float64(turns)
	}
	return m, nil
}

// conclude sets the cell's medians, that of each figure on its own, which need not be of the
// same round; of the extremes the worst, and of what must not happen the sum.
func (c *Cell) conclude() {
	c.Median = Measurement{
		TurnsPerSecond: bench.MedianOf(c.Rounds, func(m Measurement) float64 { return m.TurnsPerSecond }),
		Wait: Waits{
			P50: bench.MedianOf(c.Rounds, func(m Measurement) float64 { return m.Wait.P50 }),
			P99: bench.MedianOf(c.Rounds, func(m Measurement) float64 { return m.Wait.P99 }),
		},
		Shares: Shares{Least: c.Rounds[0].Shares.Least},
		HoldMS: bench.MedianOf(c.Rounds, func(m Measurement) float64 { return m.HoldMS }),
	}
	for _, m := range c.Rounds {
		c.Median.Wait.Longest = max(c.Median.Wait.Longest, m.Wait.Longest)
		c.Median.Shares.Least = min(c.Median.Shares.Least, m.Shares.Least)
		c.Median.Shares.Most = max(c.Median.Shares.Most, m.Shares.Most)
		c.Median.Overlaps += m.Overlaps
		c.Median.Failures += m.Failures
		c.Median.Failure = cmp.Or(c.Median.Failure, m.Failure)
	}
}
