package report

import (
	"bytes"
	_ "embed" // for the parts of the page
	"fmt"
	"html/template"
	"slices"
	"strings"

	"orderd/loadtest/audit"
	"orderd/loadtest/modes"
)

// The parts of the page. echarts.min.js is built by page/echarts.
var (
	//go:embed page/page.html
	pageSource string
	//go:embed page/page.css
	pageStyle string
	//go:embed page/echarts.min.js
	pageCharts string
	//go:embed page/page.js
	pageScript string
	//go:embed page/rows.js
	rowsScript string
	//go:embed page/timeline.js
	timelineScript string
	//go:embed page/matrix.js
	matrixScript string
)

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"story":      storyOf,
	"conclusion": conclusion,
	"header":     header,
	"look":       Cell.look,
	"sign":       Cell.sign,
	"ms":         func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"rate":       func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"asExpected": func(c Cell, i audit.Invariant) bool {
		return i.Verdict == audit.Held || i.Name == audit.NeverOversold && c.Expectation != Hold && c.Met
	},
	"join": strings.Join,
}).Parse(pageSource))

// A view is a result as the page shows it.
type view struct {
	Result
	Rows   []Cell  // drives without a fault
	Matrix *matrix // of the other cells; nil without any
	Style  template.CSS
	Charts template.JS
	Script template.JS
}

// Modes returns the lock modes of the cells, each with a sentence about it.
func (r Result) Modes() map[string]string {
	seen := map[string]string{}
	for _, c := range r.Cells {
		if mode := modes.Of(c.Lock); mode.What != "" {
			seen[mode.Name] = mode.What
		}
	}
	return seen
}

// Assets are what another page needs to draw like this one: the style, the chart library, and
// the function draw with what it needs.
func Assets() (style template.CSS, charts, script template.JS) {
	return template.CSS(pageStyle), template.JS(pageCharts), template.JS(pageScript) //nolint:gosec // G203: this program's own
}

// Draw returns the report: a page that needs nothing from the network. It has no text of its own.
func (r Result) Draw() (text, html []byte, err error) {
	v := view{
		Result: r, Matrix: newMatrix(r.Cells, r.Faults),
		Rows: slices.DeleteFunc(slices.Clone(r.Cells), func(c Cell) bool { return c.Fault != "" }),
		// All of these are this program's own: what comes from the run is in the cells.
		Style:  template.CSS(pageStyle),                                              //nolint:gosec // G203
		Charts: template.JS(pageCharts),                                              //nolint:gosec // G203
		Script: template.JS(pageScript + rowsScript + timelineScript + matrixScript), //nolint:gosec // G203
	}
	var drawn bytes.Buffer
	if err := page.Execute(&drawn, v); err != nil {
		return nil, nil, fmt.Errorf("write the page: %w", err)
	}
	return nil, drawn.Bytes(), nil
}
