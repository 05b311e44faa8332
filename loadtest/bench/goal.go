// Package bench is what the laboratory's benchmarks have in common: goals for the figures of
// one run, and how results are shown.
package bench

import (
	"fmt"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/audit"
	"orderd/loadtest/report"
)

// A Goal is a figure of one run, mostly a ratio, and its limit.
type Goal struct {
	Name  string  `json:"name"`
	Got   float64 `json:"got"`
	Limit float64 `json:"limit"`
	Most  bool    `json:"most"` // the limit is an upper bound, else a lower one
	Met   bool    `json:"met"`
}

// AtLeast is a goal that is met if got is limit or more.
func AtLeast(limit, got float64, format string, args ...any) Goal {
	return Goal{Name: fmt.Sprintf(format, args...), Got: got, Limit: limit, Met: got >= limit}
}

// AtMost is a goal that is met if got is limit or less.
func AtMost(limit, got float64, format string, args ...any) Goal {
	return Goal{Name: fmt.Sprintf(format, args...), Got: got, Limit: limit, Most: true, Met: got <= limit}
}

// Verdict says whether all goals are met. Without goals it is undecided.
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

// GoalTable formats the goals for a person at a terminal. Colours only repeat what the words
// say.
func GoalTable(goals []Goal, colours bool) string {
	t := report.NewTable()
	t.AppendHeader(table.Row{"goal", "limit", "got", ""})
	t.SetColumnConfigs(report.Right(2, 3))
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
	return report.Trimmed(t.Render())
}

// Conclusion counts the goals that are met; without goals it returns none.
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

// Median is the middle value, or the mean of the two middle ones; 0 without values.
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

// MedianOf is the median of a figure of each item.
func MedianOf[T any](items []T, figure func(T) float64) float64 {
	values := make([]float64, len(items))
	for i, item := range items {
		values[i] = figure(item)
	}
	return Median(values)
}
