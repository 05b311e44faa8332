package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/modes"
)

// FaultsCommand is the command whose results are a matrix of faults × modes.
const FaultsCommand = "faults"

// faultsText writes the result of a run of faults for a person at a terminal: faults
// × modes, what became of the four guards in words. Colours only repeat what the
// words say.
func faultsText(w io.Writer, r Result, colours bool) {
	fmt.Fprintln(w, "Two replicas, one unit, and one fault at a time. Who sold a unit twice, and what stopped it.")
	t := NewTable()
	modes := columns(r.Cells, func(c Cell) string { return c.Lock })
	header := table.Row{"fault"}
	for _, mode := range modes {
		header = append(header, mode)
	}
	t.AppendHeader(header)
	for _, name := range columns(r.Cells, func(c Cell) string { return c.Fault }) {
		row := table.Row{name}
		for _, mode := range modes {
			row = append(row, box(r.of(name, mode), colours))
		}
		t.AppendRow(row)
	}
	fmt.Fprintln(w, Trimmed(t.Render()))
	fmt.Fprintln(w)
	for _, sentence := range legend {
		fmt.Fprintln(w, text.WrapSoft(sentence, Width))
	}
	byChance(w, r.Cells)
	forExample(w, r.Cells)
	for _, c := range r.Cells {
		explain(w, c)
	}
	fmt.Fprintln(w, conclusion(r))
}

// byChance names the faults whose outcome is up to chance, and the guards for which it is.
func byChance(w io.Writer, cells []Cell) {
	either := slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return c.Expectation != Either })
	if len(either) == 0 {
		return
	}
	fmt.Fprintln(w, text.WrapSoft(fmt.Sprintf("By chance (%s strike at random): with guard %s they may oversell, and need not.",
		strings.Join(columns(either, func(c Cell) string { return c.Fault }), ", "),
		strings.Join(columns(either, func(c Cell) string { return c.Guard }), " or ")), Width))
	fmt.Fprintln(w)
}

// forExample tells how one unit was sold twice, if possible in spite of a shared lock.
func forExample(w io.Writer, cells []Cell) {
	broke := func(c Cell) bool { return c.Oversell() && c.Met }
	i := slices.IndexFunc(cells, func(c Cell) bool { return broke(c) && c.Lock != modes.None && c.Lock != modes.Local })
	if i < 0 {
		i = slices.IndexFunc(cells, broke)
	}
	if i < 0 {
		return
	}
	c := cells[i]
	fmt.Fprintf(w, "How, for example (%s, %s, guard %s):\n", c.Fault, c.Lock, c.Guard)
	for _, sentence := range c.Story {
		fmt.Fprintln(w, "  "+sentence)
	}
	fmt.Fprintln(w)
}

var legend = []string{
	`"SOLD TWICE" names the guards with which it happens; the others held. Elsewhere no guard was needed, or the`,
	`layer is named that stopped the second sale where the row has guard none. "-": does not concern the mode.`,
	"What each fault does: loadtest faults --list. Each cell by guard, with who held what when: the report.",
	"",
}

// columns returns the distinct values of the cells, in their order.
func columns(cells []Cell, of func(Cell) string) []string {
	var values []string
	for _, c := range cells {
		if v := of(c); !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	return values
}

// of returns the cells of one fault and mode: one for each guard.
func (r Result) of(fault, mode string) []Cell {
	var cells []Cell
	for _, c := range r.Cells {
		if c.Fault == fault && c.Lock == mode {
			cells = append(cells, c)
		}
	}
	return cells
}

// Summary says what became of one fault and mode: with which guards the unit was
// sold twice, or what held it.
func Summary(cells []Cell) (words string, met bool) {
	var sold, unmet []string
	met = true
	for _, c := range cells {
		if c.Oversell() {
			sold = append(sold, c.Guard)
		}
		if !c.Met {
			met, unmet = false, append(unmet, c.Guard)
		}
	}
	switch {
	case len(cells) == 0:
		return "-", true
	case !met:
		return "NOT AS EXPECTED:\n" + strings.Join(unmet, ", "), false
	case len(sold) > 0:
		return "SOLD TWICE:\n" + strings.Join(sold, ", "), true
	case cells[0].CaughtBy == "":
		return "held", true
	default:
		return "held:\n" + cells[0].CaughtBy, true
	}
}

func box(cells []Cell, colours bool) string {
	words, met := Summary(cells)
	if !colours || words == "-" {
		return words
	}
	colour := text.Colors{text.FgGreen}
	switch {
	case !met:
		colour = text.Colors{text.FgRed, text.Bold}
	case strings.HasPrefix(words, "SOLD"):
		colour = text.Colors{text.FgYellow}
	}
	lines := strings.Split(words, "\n")
	for i := range lines {
		lines[i] = colour.Sprint(lines[i])
	}
	return strings.Join(lines, "\n")
}

// explain writes about a cell that was not as expected.
func explain(w io.Writer, c Cell) {
	if c.Met {
		return
	}
	fmt.Fprintf(w, "%s, %s, guard %s: %s", c.Fault, c.Lock, c.Guard, c.Words())
	if c.Tries != nil && c.Tries.Held+c.Tries.Violated+c.Tries.Undecided > 1 {
		fmt.Fprintf(w, " (%d held, %d violated, %d undecided)", c.Tries.Held, c.Tries.Violated, c.Tries.Undecided)
	}
	fmt.Fprintln(w)
	for _, sentence := range c.Story {
		fmt.Fprintln(w, "  "+sentence)
	}
	for _, wrong := range c.Wrong() {
		fmt.Fprintln(w, "  "+wrong)
	}
}
