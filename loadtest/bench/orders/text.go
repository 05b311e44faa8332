package orders

import (
	"fmt"
	"io"

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
	fmt.Fprintf(w, "Orders of one unit. %s of %s; latencies in ms; shares of the replicas in %% of an equal one.\n", rounds, f.Window)
	fmt.Fprintln(w, grid(f.Table, f.reference(1).Median.PerSecond))
	for _, name := range curveNames {
		if len(f.Curves[name]) > 0 {
			fmt.Fprintf(w, "\nBy %s (one round):\n%s\n", name, grid(f.Curves[name], f.reference(1).Median.PerSecond))
		}
	}
	fmt.Fprintln(w)
	for _, note := range f.Notes {
		fmt.Fprintln(w, bench.Trimmed(text.WrapSoft(note, report.Width)))
	}
	fmt.Fprintln(w)
}

func grid(figures []Figure, reference float64) string {
	t := report.NewTable()
	t.AppendHeader(table.Row{"", "orders\n/s", "rounds", "× pgbench,\none SKU", "p50", "p99", "max", "orders/\nlease", "shares", "peak\nMiB"})
	t.SetColumnConfigs(bench.Right(2, 3, 4, 5, 6, 7, 8, 9, 10))
	for _, f := range figures {
		row := make(table.Row, 0, 10)
		for _, value := range f.row(reference) {
			row = append(row, value)
		}
		t.AppendRow(row)
	}
	return bench.Trimmed(t.Render())
}

// notes say what a reader of the table has to know.
func notes(p Plan, f Figures) []string {
	cost := f.figure(hot).Median.ClientUS
	notes := []string{
		"pgbench: orderd's schema, default durability, three statements in one transaction over prepared statements; " +
			"CTE: the same as one statement, without a verdict.",
		fmt.Sprintf("Every database holds %d sales and is fresh for each measurement. Clients are goroutines of one process, each with a "+
			"connection; they took %.0f µs of CPU for an order of the first kind, on the machine that they share with all servers.", pastSales, cost),
		"A closed loop, but for the open one: there orders are due evenly, whether or not those before are answered, and wait from then.",
		"Every confirmed order was found in the ledger as it was answered, or is counted as wrong.",
	}
	notes = append(notes, fmt.Sprintf("Where each group takes %s, %d clients send %d orders together: what is counted are the refusals, and what they and "+
		"the orders that wait take is the memory.", crowdWork, crowdClients, crowdOrders))
	notes = append(notes, "API keys, idempotency keys and events: each client has a key and each order one of its own, which is stored with it, "+
		"and one replica or another delivers every sale to a stream in Redis.")
	if p.Large > 0 {
		notes = append(notes, fmt.Sprintf("The large database holds %d sales and their movements already.", p.Large))
	}
	return notes
}
