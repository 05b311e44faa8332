// Package bench is what the laboratory's benchmarks have in common: goals that
// are ratios of figures of one run, and how they are told.
package bench

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/audit"
	"orderd/loadtest/report"
)

// A Goal is a ratio of figures of one run, and its limit.
type Goal struct {
	Name  string  `json:"name"`
	Got   float64 `json:"got"`
	Limit float64 `json:"limit"`
	Most  bool    `json:"most"` // the limit is the most that is allowed, else the least
	Met   bool    `json:"met"`
}

// AtLeast is a goal that is met from limit up.
func AtLeast(limit, got float64, format string, args ...any) Goal {
	return Goal{Name: fmt.Sprintf(format, args...), Got: got, Limit: limit, Met: got >= limit}
}

// AtMost is a goal that is met up to limit.
func AtMost(limit, got float64, format string, args ...any) Goal {
	return Goal{Name: fmt.Sprintf(format, args...), Got: got, Limit: limit, Most: true, Met: got <= limit}
}

// Verdict says whether the goals are met. Without any it is undecided.
func Verdict(goals []Goal) audit.Verdict {
	if len(goals) == 0 {
		return audit.Undecided
	}
	for _, g := range goals {
		if !g.Met {
			return audit.Violated
		}
	}
	return audit.Held
}

// GoalTable is the goals for a person at a terminal. Colours only repeat what the
// words say.
func GoalTable(goals []Goal, colours bool) string {
	t := report.NewTable()
	t.AppendHeader(table.Row{"goal", "limit", "got", ""})
	t.SetColumnConfigs(Right(2, 3))
	for _, g := range goals {
		sign, words, colour := "≥", "met", text.FgGreen
		if g.Most {
			sign = "≤"
		}
		if !g.Met {
			words, colour = "NOT MET", text.FgRed
		}
		if colours {
			words = colour.Sprint(words)
		}
		t.AppendRow(table.Row{g.Name, fmt.Sprintf("%s %g", sign, g.Limit), fmt.Sprintf("%.2f", g.Got), words})
	}
	return Trimmed(t.Render())
}

// Conclusion counts the goals that are met; without any it says none.
func Conclusion(goals []Goal, none string) string {
	met := 0
	for _, g := range goals {
		if g.Met {
			met++
		}
	}
	switch s := fmt.Sprintf("%d of %d goals met", met, len(goals)); Verdict(goals) {
	case audit.Held:
		return s + "."
	case audit.Undecided:
		return none
	default:
		return s + ": GOALS NOT MET."
	}
}

// Right sets the columns of numbers flush right.
func Right(numbers ...int) []table.ColumnConfig {
	columns := make([]table.ColumnConfig, len(numbers))
	for i, n := range numbers {
		columns[i] = table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight}
	}
	return columns
}

// Trimmed takes away the spaces that a table puts behind its lines.
func Trimmed(lines string) string {
	var b strings.Builder
	for line := range strings.Lines(lines) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Median is the middle value, or the mean of the two; 0 of none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
