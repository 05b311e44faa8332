package locks

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/bench"
	"orderd/loadtest/report"
)

// Text writes the figures for a person at a terminal.
func Text(w io.Writer, f Figures) {
	rounds := fmt.Sprintf("Medians of %d rounds", f.Rounds)
	if f.Rounds == 1 {
		rounds = "One round"
	}
	fmt.Fprintf(w, "Turns with one lock. %s of %s; waits in ms; shares of the processes in %% of an equal one.\n", rounds, f.Window)
	trips := make([]string, 0, len(f.RoundTrips))
	for _, server := range slices.Sorted(maps.Keys(f.RoundTrips)) {
		trips = append(trips, fmt.Sprintf("%s %.3f ms", server, f.RoundTrips[server]))
	}
	if len(trips) > 0 {
		fmt.Fprintf(w, "Round trip: %s.\n", strings.Join(trips, ", "))
	}
	fmt.Fprintln(w, bench.Trimmed(grid(f)))
	fmt.Fprintln(w)
	for _, note := range f.Notes {
		fmt.Fprintln(w, bench.Trimmed(text.WrapSoft(note, report.Width)))
	}
	fmt.Fprintln(w)
}

func grid(f Figures) string {
	t := report.NewTable()
	t.AppendHeader(table.Row{
		"processes ×\nwaiters", "contender", "turns\n/s", "× best\nlibrary", "p50\nwait", "p99\nwait", "longest\nwait", "shares", "",
	})
	t.SetColumnConfigs(bench.Right(3, 4, 5, 6, 7, 8))
	for i, c := range f.Cells {
		setting := ""
		if i == 0 || c.Setting != f.Cells[i-1].Setting {
			setting = c.String()
			if i > 0 {
				t.AppendSeparator()
			}
		}
		m := c.Median
		t.AppendRow(table.Row{
			setting, c.Contender, fmt.Sprintf("%.0f", m.TurnsPerSecond), f.besideBest(c),
			fmt.Sprintf("%.2f", m.Wait.P50), fmt.Sprintf("%.1f", m.Wait.P99), fmt.Sprintf("%.1f", m.Wait.Longest),
			m.Shares.words(c.Processes), c.remark(),
		})
	}
	return t.Render()
}

// besideBest is the cell's throughput as a multiple of the best library's on the same server.
func (f Figures) besideBest(c Cell) string {
	best := f.best(c)
	if best == nil || c.Server == "" {
		return ""
	}
	return fmt.Sprintf("%.2f", c.Median.TurnsPerSecond/best.Median.TurnsPerSecond)
}

func (s Shares) words(processes int) string {
	if processes == 1 {
		return ""
	}
	return fmt.Sprintf("%.0f–%.0f", s.Least, s.Most)
}

// remark says what makes the cell's figures worth less than they seem.
func (c Cell) remark() string {
	var remarks []string
	switch m := c.Median; {
	case c.OneProcess && c.Processes > 1:
		remarks = append(remarks, "each process by itself")
	case m.Overlaps > 0:
		remarks = append(remarks, fmt.Sprintf("LET IN TWO AT ONCE, %d times", m.Overlaps))
	}
	if m := c.Median; m.Failures > 0 {
		remarks = append(remarks, fmt.Sprintf("%d errors, first: %s", m.Failures, m.Failure))
	}
	return strings.Join(remarks, "; ")
}
