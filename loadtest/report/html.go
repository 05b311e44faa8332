package report

import (
	_ "embed" // for page.html
	"fmt"
	"html/template"
	"io"
	"strings"

	"orderd/loadtest/audit"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"story":      Story,
	"conclusion": conclusion,
	"header":     header,
	"ms":         func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"rate":       func(v float64) string { return fmt.Sprintf("%.0f", v) },
	"mark": func(ok bool) string {
		if ok {
			return "✓"
		}
		return "✗"
	},
	"asExpected": func(c Cell, i audit.Invariant) bool {
		return i.Verdict == audit.Held || i.Name == audit.NeverOversold && c.Expectation != Hold && c.Met
	},
	"share": share,
	"join":  strings.Join,
}).Parse(pageSource))

// modes says in a sentence what each lock mode is.
var modes = map[string]string{
	"none":      "No lock: whoever asks goes in at once.",
	"local":     "A lock in the memory of each process: the callers of one process take turns, other processes know nothing of it.",
	"redis":     "A lock in one Redis server that all processes ask: SET NX PX with an owner, renewed, passed on first come, first served.",
	"redlock":   "A lock in most of five independent Redis masters (RedLock), each of which could be lost.",
	"zookeeper": "A queue in ZooKeeper that all processes stand in: an ephemeral sequential node each, watching the one before it.",
	"postgres":  "An advisory lock in the database that keeps the stock anyway, by a session of its own.",
}

// Modes returns the lock modes of the cells, each with a sentence about it.
func (r Result) Modes() map[string]string {
	seen := map[string]string{}
	for _, c := range r.Cells {
		seen[c.Lock] = modes[c.Lock]
	}
	return seen
}

// HTML writes the result as one page that needs nothing from the network.
func HTML(w io.Writer, r Result) error {
	if err := page.Execute(w, r); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// share is a cell's oversold units in percent of the most of any cell, for the
// length of its bar.
func share(r Result, c Cell) int64 {
	var most int64
	for _, other := range r.Cells {
		most = max(most, other.Oversold)
	}
	if most == 0 {
		return 0
	}
	return 100 * c.Oversold / most
}
