package locks

import (
	"fmt"

	"orderd/loadtest/bench"
)

// Parts returns the figures as tables and charts, a part for each setting.
func (f Figures) Parts() []bench.Part {
	var parts []bench.Part
	for i, c := range f.Cells {
		if i == 0 || c.Setting != f.Cells[i-1].Setting {
			parts = append(parts, f.part(c.Setting, len(parts)+1))
		}
	}
	return parts
}

func (f Figures) part(s Setting, n int) bench.Part {
	part := bench.Part{
		Title: "The locks alone: " + s.String(), Picture: fmt.Sprintf("speed-locks-%d", n),
		Words: fmt.Sprintf("Turns with one lock; orderd's are renewed and have fencing tokens. Medians of %d rounds of %s, of extremes the worst. Waits in ms; shares of the processes in percent of an equal one.", f.Rounds, f.Window),
		Table: bench.Grid{Words: 1, Header: []string{"", "turns/s", "× best library", "p50 wait", "p99 wait", "longest wait", "shares", "remark"}},
	}
	rate := bench.Chart{Title: "Turns per second", X: "turns per second"}
	waits := bench.Chart{Title: "Waits: ○ p50, ◆ p99, ◇ the longest", X: "milliseconds", LogX: true}
	for _, c := range f.Cells {
		if c.Setting != s {
			continue
		}
		m := c.Median
		part.Table.Rows = append(part.Table.Rows, []string{
			c.Contender, fmt.Sprintf("%.0f", m.TurnsPerSecond), f.besideBest(c), fmt.Sprintf("%.2f", m.Wait.P50),
			fmt.Sprintf("%.1f", m.Wait.P99), fmt.Sprintf("%.1f", m.Wait.Longest), m.Shares.words(c.Processes), c.remark(),
		})
		rate.Rows = append(rate.Rows, bench.Row{Name: c.Contender, Values: []float64{m.TurnsPerSecond}, Other: !c.Mode})
		// A wait below a microsecond has no place on a logarithmic axis.
		waits.Rows = append(waits.Rows, bench.Row{
			Name: c.Contender, Values: []float64{max(m.Wait.P50, 0.001), max(m.Wait.P99, 0.001), max(m.Wait.Longest, 0.001)}, Other: !c.Mode,
		})
	}
	part.Charts = []bench.Chart{rate, waits}
	return part
}
