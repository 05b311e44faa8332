package bench

import (
	_ "embed" // for the page
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/report"
)

// A Page is what a benchmark shows: tables and charts of the same figures.
type Page struct {
	Result report.Result
	Goals  []Goal
	Parts  []Part
	Notes  []string
}

// A Part is a table, charts, or both.
type Part struct {
	Title, Words string
	Table        Grid
	Charts       []Chart
	// Picture is the name of the charts' picture; empty without charts.
	Picture string
}

// A Grid has words in its first columns and numbers in the others.
type Grid struct {
	Words  int
	Header []string
	Rows   [][]string
}

// A Chart has lines, or rows.
type Chart struct {
	Title string `json:"title"`
	X     string `json:"x"` // what the axis shows
	Y     string `json:"y,omitempty"`
	LogX  bool   `json:"log_x"`
	LogY  bool   `json:"log_y"`
	Lines []Line `json:"lines,omitempty"`
	Rows  []Row  `json:"rows,omitempty"`
}

// A Line is a series of points, each x and y.
type Line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"`
}

// A Row is values in ascending order; a single one is drawn as a bar. Rows other than
// orderd's own are drawn in another way.
type Row struct {
	Name   string    `json:"name"`
	Values []float64 `json:"values"`
	Other  bool      `json:"other"`
}

var (
	//go:embed page/bench.html
	pageSource string
	//go:embed page/bench.js
	pageScript string
)

var page = template.Must(template.New("bench").Funcs(template.FuncMap{
	"limit": Goal.limit, "conclusion": func(goals []Goal) string { return Conclusion(goals, "No goal to meet.") },
	"number": func(t Grid, column int) bool { return column >= t.Words }, "join": strings.Join,
	"json": func(c Chart) (string, error) { text, err := json.Marshal(c); return string(text), err },
}).Parse(pageSource))

func (g Goal) limit() string {
	if g.Most {
		return fmt.Sprintf("≤ %g", g.Limit)
	}
	return fmt.Sprintf("≥ %g", g.Limit)
}

// HTML writes a page that needs nothing from the network.
func (p Page) HTML(w io.Writer) error {
	style, charts, script := report.Assets()
	err := page.Execute(w, struct {
		Page
		Style          template.CSS
		Charts, Script template.JS
	}{p, style, charts, script + template.JS(pageScript)}) //nolint:gosec // G203: this program's own
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// Markdown writes the same tables for a document that has the charts as pictures beside it.
func (p Page) Markdown(w io.Writer) {
	fmt.Fprintf(w, "*(`loadtest %s`, %s, on %s/%s with %d CPUs for servers, replicas and clients together.)*\n\n",
		strings.Join(p.Result.Arguments, " "), p.Result.Started.Format("2 January 2006"), p.Result.Host.OS, p.Result.Host.Arch, p.Result.Host.CPUs)
	goals := Grid{Words: 1, Header: []string{"goal", "limit", "got", ""}}
	for _, g := range p.Goals {
		met := "met"
		if !g.Met {
			met = "**not met**"
		}
		goals.Rows = append(goals.Rows, []string{strings.TrimSpace(g.Name), g.limit(), fmt.Sprintf("%.2f", g.Got), met})
	}
	goals.markdown(w)
	fmt.Fprintf(w, "%s\n", Conclusion(p.Goals, "No goal to meet."))
	for _, part := range p.Parts {
		fmt.Fprintf(w, "\n### %s\n\n%s\n\n", part.Title, part.Words)
		if part.Picture != "" {
			fmt.Fprintf(w, "![%s](%s.png)\n\n", part.Title, part.Picture)
		}
		part.Table.markdown(w)
	}
	fmt.Fprintln(w)
	for _, note := range p.Notes {
		fmt.Fprintf(w, "- %s\n", note)
	}
}

func (t Grid) markdown(w io.Writer) {
	if len(t.Rows) == 0 {
		return
	}
	rule := make([]string, len(t.Header))
	for i := range rule {
		if rule[i] = "---"; i >= t.Words {
			rule[i] = "---:"
		}
	}
	for _, row := range append([][]string{t.Header, rule}, t.Rows...) {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(w)
}

// Text formats the words and the table for a person at a terminal.
func (p Part) Text() string {
	t := report.NewTable()
	row := func(cells []string) table.Row {
		r := make(table.Row, len(cells))
		for i, cell := range cells {
			r[i] = cell
		}
		return r
	}
	header, numbers := slices.Clone(p.Table.Header), make([]int, 0, len(p.Table.Header))
	for i := p.Table.Words; i < len(header); i++ {
		header[i] = text.WrapSoft(header[i], columnWidth)
		numbers = append(numbers, i+1)
	}
	t.AppendHeader(row(header))
	t.SetColumnConfigs(report.Right(numbers...))
	for _, cells := range p.Table.Rows {
		t.AppendRow(row(cells))
	}
	return p.Title + "\n" + report.Trimmed(text.WrapSoft(p.Words, report.Width)) + "\n" + report.Trimmed(t.Render())
}

// columnWidth is that of a column of numbers, so that its header is folded.
const columnWidth = 10
