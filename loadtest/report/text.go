package report

import (
	"fmt"
	"io"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/audit"
)

// Text writes the result for a person at a terminal. Colours only repeat what
// the words say.
func Text(w io.Writer, r Result, colours bool) {
	switch r.Command {
	case FaultsCommand:
		faultsText(w, r, colours)
		return
	case SoakCommand:
		soakText(w, r, colours)
		return
	}
	fmt.Fprintln(w, header(r))
	fmt.Fprintln(w, Trimmed(grid(r, colours)))
	fmt.Fprintln(w)
	for _, sentence := range storyOf(r) {
		fmt.Fprintln(w, Trimmed(text.WrapSoft(sentence, Width)))
	}
	for _, c := range r.Cells {
		if c.Met {
			continue
		}
		fmt.Fprintf(w, "%s × %d, guard %s, %d at a time:\n", c.Lock, c.Replicas, c.Guard, c.Clients)
		for _, wrong := range c.Wrong() {
			fmt.Fprintln(w, "  "+wrong)
		}
	}
	fmt.Fprintln(w, conclusion(r))
}

// Width is that of a terminal beside another window.
const Width = 118

// grid is the table of the cells.
func grid(r Result, colours bool) string {
	t := NewTable()
	t.AppendHeader(table.Row{
		"lock", "rep-\nlicas", "guard", "cli-\nents", "con-\nfirmed", "re-\nfused", "busy", "OVER-\nSOLD", "under-\nsold",
		"orders\n/s", "p50\nms", "p99\nms", "lock\np99", "verdict",
	})
	t.SetColumnConfigs(Right(2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13))
	for i, c := range r.Cells {
		if i > 0 && (c.Clients == 1) != (r.Cells[i-1].Clients == 1) {
			t.AppendSeparator()
		}
		t.AppendRow(row(c, colours))
	}
	return t.Render()
}

func row(c Cell, colours bool) table.Row {
	oversold, words := strconv.FormatInt(c.Oversold, 10), c.Words()
	if colours {
		colour := text.FgGreen
		if !c.Met {
			colour = text.FgRed
		}
		words = colour.Sprint(words)
		if c.Oversold > 0 {
			oversold = text.Colors{text.FgYellow, text.Bold}.Sprint(oversold)
		}
	}
	return table.Row{
		c.Lock, c.Replicas, c.Guard, c.Clients, c.Orders.Confirmed, c.Orders.SoldOut, busy(c.Orders),
		oversold, c.Undersold, fmt.Sprintf("%.0f", c.OrdersPerSecond),
		fmt.Sprintf("%.1f", c.Latency.P50), fmt.Sprintf("%.0f", c.Latency.P99), fmt.Sprintf("%.0f", c.LockWait.P99), words,
	}
}

// busy formats how many orders were busy, and how many unknown or failed, which is worse.
func busy(o Orders) string {
	if o.Unknown+o.Failed == 0 {
		return strconv.Itoa(o.Busy)
	}
	return fmt.Sprintf("%d+%d!", o.Busy, o.Unknown+o.Failed)
}

func header(r Result) string {
	if len(r.Cells) == 0 {
		return "no cells"
	}
	c := r.Cells[0]
	units := "1 unit"
	if quantity := r.Config["quantity"]; quantity != "" && quantity != "1" {
		units = quantity + " units"
	}
	s := fmt.Sprintf("%d units, %s orders of %s in each row.", c.Stock, r.Config["orders"], units)
	if work := r.Config["work"]; work != "" {
		s += fmt.Sprintf(" Between the check and the write, %s of work.", work)
	}
	return s
}

func conclusion(r Result) string {
	met := 0
	for _, c := range r.Cells {
		if c.Met {
			met++
		}
	}
	what := "rows"
	if r.Command == FaultsCommand {
		what = "cells"
	}
	s := fmt.Sprintf("%d of %d %s as expected", met, len(r.Cells), what)
	switch r.Verdict {
	case audit.Held:
		return s + "."
	case audit.Undecided:
		return s + "; the others are undecided."
	default:
		return s + ": SOMETHING IS WRONG."
	}
}
