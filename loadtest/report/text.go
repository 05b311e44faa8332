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
	paint := func(c text.Color, s string) string {
		if !colours {
			return s
		}
		return text.Escape(s, c.EscapeSeq())
	}
	fmt.Fprintln(w, header(r))
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateColumns = false
	t.Style().Options.DrawBorder = false
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{
		"lock", "replicas", "guard", "clients", "confirmed", "refused", "busy", "OVERSOLD", "undersold",
		"orders/s", "p50 ms", "p99 ms", "lock p99", "verdict",
	})
	columns := make([]table.ColumnConfig, 0, 12)
	for n := 2; n <= 13; n++ {
		if n != 3 {
			columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(columns)
	for i, c := range r.Cells {
		if i > 0 && (c.Clients == 1) != (r.Cells[i-1].Clients == 1) {
			t.AppendSeparator()
		}
		oversold, colour := strconv.FormatInt(c.Oversold, 10), text.FgGreen
		if c.Oversold > 0 {
			oversold = paint(text.FgYellow, oversold)
		}
		if !c.Met {
			colour = text.FgRed
		}
		t.AppendRow(table.Row{
			c.Lock, c.Replicas, c.Guard, c.Clients, c.Orders.Confirmed, c.Orders.SoldOut, busy(c.Orders),
			oversold, c.Undersold, fmt.Sprintf("%.0f", c.OrdersPerSecond),
			fmt.Sprintf("%.1f", c.Latency.P50), fmt.Sprintf("%.1f", c.Latency.P99), fmt.Sprintf("%.1f", c.LockWait.P99),
			paint(colour, c.Words()),
		})
	}
	fmt.Fprintln(w, t.Render())
	fmt.Fprintln(w)
	for _, sentence := range Story(r) {
		fmt.Fprintln(w, text.WrapSoft(sentence, 118))
	}
	for _, c := range r.Cells {
		if c.Met {
			continue
		}
		fmt.Fprintf(w, "%s × %d, guard %s, %d clients:\n", c.Lock, c.Replicas, c.Guard, c.Clients)
		for _, wrong := range c.Wrong() {
			fmt.Fprintln(w, "  "+wrong)
		}
	}
	fmt.Fprintln(w, conclusion(r))
}

// busy shows the orders that got no definite answer about the stock, and how
// many of them are worse than busy.
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
	s := fmt.Sprintf("%d units, %s orders of 1 unit in each row.", c.Stock, r.Config["orders"])
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
	s := fmt.Sprintf("%d of %d rows as expected", met, len(r.Cells))
	switch r.Verdict {
	case audit.Held:
		return s + "."
	case audit.Undecided:
		return s + "; the others are undecided."
	default:
		return s + ": SOMETHING IS WRONG."
	}
}
