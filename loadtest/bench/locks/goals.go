package locks

import (
	"time"

	"orderd/loadtest/bench"
	"orderd/loadtest/modes"
)

// GoalHold is the hold that goals are set for: about as long as an order's check and commit
// take. The other holds are published without a verdict.
const GoalHold = 2 * time.Millisecond

// judge compares the figures with those of the goals for which they suffice.
func judge(f Figures) []bench.Goal {
	var goals []bench.Goal
	contended := func(c Cell) bool { return c.contended() && c.Hold == GoalHold }
	alone := func(c Cell) bool { return !c.contended() }
	against := func(where func(Cell) bool, limit float64, mode, library, why string) {
		m, l := f.cell(where, mode), f.cell(where, library)
		if m != nil && l != nil && l.Median.TurnsPerSecond > 0 {
			goals = append(goals, bench.AtLeast(limit, m.Median.TurnsPerSecond/l.Median.TurnsPerSecond,
				"turns/s, %s: %s ÷ %s%s", m.Setting, mode, library, why))
		}
	}
	if c := f.cell(contended, modes.Redis); c != nil {
		if best := f.best(*c); best != nil {
			against(contended, 1, modes.Redis, best.Contender, ", the best Redis library")
		}
		trip := f.RoundTrips[onRedis]
		ideal := float64(c.wanted()) * (milliseconds(c.Hold) + trip)
		goals = append(goals,
			bench.AtMost(1.5, c.Median.Wait.P99/ideal, "p99 wait of redis ÷ (%d waiters × (%s + %.3f ms))", c.wanted(), c.Hold, trip),
			bench.AtMost(2, c.Median.Wait.Longest/ideal, "longest wait of redis ÷ the same"))
	}
	against(alone, 0.9, modes.Redis, "redsync", "")
	against(alone, 1.3, modes.ZooKeeper, "zk.Lock", "")
	against(contended, 1.3, modes.ZooKeeper, "zk.Lock", "")
	return append(goals, f.exclusion()...)
}

// exclusion is the goal without which speed is worth nothing: that turns do not overlap.
func (f Figures) exclusion() []bench.Goal {
	var wrong int64
	contended := false
	for _, c := range f.Cells {
		if c.Mode && !c.OneProcess && c.contended() {
			contended = true
			wrong += c.Median.Overlaps + c.Median.Failures
		}
	}
	if !contended {
		return nil
	}
	return []bench.Goal{bench.AtMost(0, float64(wrong), "orderd's modes: overlapping turns, and errors")}
}

// cell returns a contender's cell, nil if there is none.
func (f Figures) cell(where func(Cell) bool, contender string) *Cell {
	for i, c := range f.Cells {
		if c.Contender == contender && where(c) {
			return &f.Cells[i]
		}
	}
	return nil
}

// best returns the fastest library on a cell's server in its setting, nil if there is none. A
// library whose turns overlapped does not count.
func (f Figures) best(c Cell) *Cell {
	var best *Cell
	for i, other := range f.Cells {
		m := other.Median
		if other.Mode || other.Server != c.Server || other.Setting != c.Setting || m.Overlaps > 0 || m.TurnsPerSecond == 0 {
			continue
		}
		if best == nil || m.TurnsPerSecond > best.Median.TurnsPerSecond {
			best = &f.Cells[i]
		}
	}
	return best
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
