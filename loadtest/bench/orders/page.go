package orders

import (
	"fmt"
	"slices"

	"orderd/loadtest/bench"
)

// ordersWords are for the rounds and the window.
const ordersWords = "Orders of one unit; medians of %d rounds of %s, and the rates of the slowest and the fastest round; of extremes the worst. " +
	"Refusals a second where the SKU is sold out or orders are far too many, and of a no-op HTTP handler. Latencies in ms. " +
	"Orders per lease: how many one lease served. Shares: those of the replicas, in percent of an equal one."

// Parts returns the figures as tables and charts.
func (f Figures) Parts() []bench.Part {
	reference := f.reference(1)
	orders := bench.Part{
		Title: "Orders", Picture: "speed-orders", Table: f.table(f.Table, reference.Median.PerSecond),
		Words: fmt.Sprintf(ordersWords, f.Rounds, f.Window),
		Charts: slices.DeleteFunc([]bench.Chart{
			f.beside(1, "One SKU that all want"), f.beside(spread.SKUs, fmt.Sprintf("%d SKUs", spread.SKUs)),
		}, func(c bench.Chart) bool { return len(c.Rows) == 0 }),
	}
	if len(orders.Charts) == 0 {
		orders.Picture = ""
	}
	parts := []bench.Part{orders}
	for _, c := range []struct {
		title, picture, x string
		log               bool
		at                func(Scenario) int
		curves            map[string]string // names of the lines
	}{
		{"By clients", "speed-clients", "clients on one SKU, one replica", true, func(s Scenario) int { return s.Clients }, map[string]string{byClients: "orderd"}},
		{"By replicas", "speed-replicas", "replicas of 32 clients each, one SKU", false, func(s Scenario) int { return s.Replicas }, map[string]string{byReplicas: "orderd"}},
		{"By the size of groups", "speed-groups", "orders in a group at most, 256 clients, one SKU", true, func(s Scenario) int { return s.BatchMax }, map[string]string{byGroup: "orderd"}},
		{"By SKUs", "speed-skus", "SKUs that the orders are spread over", true, func(s Scenario) int { return s.SKUs }, map[string]string{bySKUs: "uniform", byZipf: "Zipf 1.0"}},
	} {
		part := bench.Part{Title: c.title, Picture: c.picture, Words: "One round each. p99: 99 in a hundred waited no longer."}
		rate := bench.Chart{Title: "Orders per second", X: c.x, LogX: c.log}
		latency := bench.Chart{Title: "Latency", X: c.x, Y: "ms", LogX: c.log, LogY: true}
		for _, name := range curveNames {
			line, ok := c.curves[name]
			figures := f.Curves[name]
			if !ok || len(figures) == 0 {
				continue
			}
			rate.Lines = append(rate.Lines, lineOf(line, figures, c.at, perSecond))
			latency.Lines = append(latency.Lines,
				lineOf(line+", p50", figures, c.at, func(m Measurement) float64 { return m.Latency.P50 }),
				lineOf(line+", p99", figures, c.at, func(m Measurement) float64 { return m.Latency.P99 }))
			table := f.table(figures, reference.Median.PerSecond)
			part.Table.Words, part.Table.Header = table.Words, table.Header
			part.Table.Rows = append(part.Table.Rows, table.Rows...)
		}
		if len(rate.Lines) == 0 {
			continue
		}
		if c.picture == "speed-clients" {
			rate.Lines = append(rate.Lines, f.references()...)
		}
		part.Charts = []bench.Chart{rate, latency}
		parts = append(parts, part)
	}
	return parts
}

func perSecond(m Measurement) float64 { return m.PerSecond }

func lineOf(name string, figures []Figure, at func(Scenario) int, of func(Measurement) float64) bench.Line {
	line := bench.Line{Name: name}
	for _, figure := range figures {
		line.Points = append(line.Points, [2]float64{float64(at(figure.Scenario)), of(figure.Median)})
	}
	return line
}

// references are pgbench's rates on one SKU, by the number of clients.
func (f Figures) references() []bench.Line {
	var lines []bench.Line
	for _, what := range []string{three, one} {
		figures := slices.DeleteFunc(slices.Clone(f.Table), func(figure Figure) bool { return figure.What != what || figure.SKUs != 1 })
		if len(figures) > 0 {
			lines = append(lines, lineOf(what, figures, func(s Scenario) int { return s.Clients }, perSecond))
		}
	}
	return lines
}

// beside compares orderd with pgbench at its best, on that many SKUs.
func (f Figures) beside(skus int, title string) bench.Chart {
	chart := bench.Chart{Title: title, X: "orders per second"}
	for _, what := range []string{three, one} {
		best := Figure{}
		for _, figure := range f.Table {
			if figure.What == what && figure.SKUs == skus && figure.Median.PerSecond > best.Median.PerSecond {
				best = figure
			}
		}
		if len(best.Rounds) > 0 {
			chart.Rows = append(chart.Rows, bench.Row{
				Name: fmt.Sprintf("%s at its best, %d clients", what, best.Clients), Values: []float64{best.Median.PerSecond}, Other: true,
			})
		}
	}
	for _, figure := range f.Table {
		if s := figure.Scenario; s.What == ours && s.SKUs == skus && !s.SoldOut && s.Orders == 0 && s.Rate == 0 {
			name := fmt.Sprintf("%s, %d × %d clients", s.Lock, s.Replicas, s.Clients)
			if s.BatchMax == 1 {
				name += ", one by one"
			}
			if s.Large {
				name += ", large database"
			}
			if s.Shop {
				name += ", as a shop"
			}
			chart.Rows = append(chart.Rows, bench.Row{Name: name, Values: []float64{figure.Median.PerSecond}})
		}
	}
	return chart
}

func (f Figures) table(figures []Figure, reference float64) bench.Grid {
	t := bench.Grid{Words: 1, Header: []string{"", "orders/s", "rounds", "× pgbench, one SKU", "p50", "p99", "max", "orders per lease", "shares", "peak MiB"}}
	for _, figure := range figures {
		t.Rows = append(t.Rows, figure.row(reference))
	}
	return t
}

// sells reports whether the figure's rate is of sales, so that it can be compared with pgbench's.
func (f Figure) sells() bool { return f.What != nothing && !f.SoldOut && f.Orders == 0 }

// row is the figure's line in a table; what was not measured is empty.
func (f Figure) row(reference float64) []string {
	m := f.Median
	row := []string{f.String(), fmt.Sprintf("%.0f", m.PerSecond), fmt.Sprintf("%.0f–%.0f", f.least(), f.most()), "", "", "", "", "", "", ""}
	if reference > 0 && f.sells() {
		row[3] = fmt.Sprintf("%.2f", m.PerSecond/reference)
	}
	if m.Latency.Max > 0 {
		row[4], row[5], row[6] = fmt.Sprintf("%.2f", m.Latency.P50), fmt.Sprintf("%.2f", m.Latency.P99), fmt.Sprintf("%.1f", m.Latency.Max)
	}
	if m.Group > 0 {
		row[7] = fmt.Sprintf("%.1f", m.Group)
	}
	if m.Most > 0 {
		row[8] = fmt.Sprintf("%.0f–%.0f", m.Least, m.Most)
	}
	if m.PeakMiB > 0 {
		row[9] = fmt.Sprintf("%.0f", m.PeakMiB)
	}
	if wrong := m.Others + len(m.Violations); wrong > 0 {
		row[0] += fmt.Sprintf(": %d WRONG", wrong)
	}
	return row
}
