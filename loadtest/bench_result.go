package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/bench"
	"orderd/loadtest/bench/locks"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

// A benchResult is result.json of a benchmark: it has figures instead of rows.
type benchResult struct {
	report.Result
	Orders   *orders.Figures   `json:"orders,omitempty"`
	Locks    *locks.Figures    `json:"locks,omitempty"`
	Overload *orders.Overloads `json:"overload,omitempty"`
}

func (r benchResult) goals() []bench.Goal {
	var goals []bench.Goal
	if r.Orders != nil {
		goals = append(goals, r.Orders.Goals...)
	}
	if r.Locks != nil {
		goals = append(goals, r.Locks.Goals...)
	}
	if r.Overload != nil {
		goals = append(goals, r.Overload.Goals...)
	}
	return goals
}

func (r benchResult) page() bench.Page {
	p := bench.Page{Result: r.Result, Goals: r.goals()}
	if r.Orders != nil {
		p.Parts, p.Notes = append(p.Parts, r.Orders.Parts()...), append(p.Notes, r.Orders.Notes...)
	}
	if r.Locks != nil {
		p.Parts, p.Notes = append(p.Parts, r.Locks.Parts()...), append(p.Notes, r.Locks.Notes...)
	}
	if r.Overload != nil {
		p.Parts = append(p.Parts, r.Overload.Part())
	}
	return p
}

// text writes the result for a person at a terminal.
func (r benchResult) text(w io.Writer, colours bool) {
	page := r.page()
	for _, part := range page.Parts {
		fmt.Fprintf(w, "%s\n\n", part.Text())
	}
	for _, note := range page.Notes {
		fmt.Fprintln(w, report.Trimmed(text.WrapSoft(note, report.Width)))
	}
	fmt.Fprintln(w)
	if goals := r.goals(); len(goals) > 0 {
		fmt.Fprintln(w, bench.GoalTable(goals, colours))
	}
	fmt.Fprintln(w, bench.Conclusion(r.goals(), "No goal to meet: what they are for was not measured."))
}

// bench has each of the parts add its figures to a result, and concludes. What was measured
// before a part failed is kept.
func (f resultFlags) bench(
	con *console, command string, verdict *audit.Verdict, parts ...func(*console, report.Folder, *benchResult) error,
) error {
	r := benchResult{Result: con.newResult(command, time.Now(), stack.Find()...)}
	folder, err := f.newFolder("bench", r.Started)
	if err != nil {
		return err
	}
	for i, measure := range parts {
		if err := measure(con, folder, &r); i == 0 && err != nil {
			folder.DiscardEmpty()
			return err
		} else if err != nil {
			return errors.Join(err, r.conclude(con, folder, f.Format, verdict))
		}
	}
	return r.conclude(con, folder, f.Format, verdict)
}

// Draw returns the contents of report.txt and report.html.
func (r benchResult) Draw() (words, page []byte, err error) {
	var written, html bytes.Buffer
	r.text(&written, false)
	err = r.page().HTML(&html)
	return written.Bytes(), html.Bytes(), err
}

// conclude judges, writes the files of the run and prints the result.
func (r *benchResult) conclude(con *console, folder report.Folder, format string, verdict *audit.Verdict) error {
	r.Verdict = bench.Verdict(r.goals())
	*verdict = r.Verdict
	took := time.Since(r.Started).Round(time.Second)
	r.Config["took"] = took.String()
	if r.Locks != nil {
		maps.Copy(r.Versions, r.Locks.Versions)
	}
	err := folder.Finish(r, nil) // even if it could not be written, the result is worth knowing
	con.say("took %s; report: %s", took, folder.Page())
	if format == "json" {
		return errors.Join(err, report.JSON(con.out, r))
	}
	r.text(con.out, con.colours)
	return err
}

// saveLogs keeps the logs of a part of a benchmark, and adds to its error where they are.
func saveLogs(folder report.Folder, part string, save func(string) error, err error) error {
	dir := filepath.Join(folder.Logs(), part)
	if err != nil {
		err = fmt.Errorf("%w (the logs are in %s)", err, dir)
	}
	return errors.Join(err, save(dir))
}

// The lines between which a document has the figures of a run.
const (
	figuresBegin = "<!-- figures: written by loadtest report --markdown -->\n"
	figuresEnd   = "<!-- end of the figures -->\n"
)

// drawAgain redraws the report of a benchmark from its result.json, and writes the figures
// into a document if one is named.
func drawAgain(con *console, folder report.Folder, document string) error {
	r, err := report.Read[benchResult](folder)
	if err != nil {
		return err
	}
	if err := folder.Draw(r); err != nil {
		return err
	}
	if document != "" {
		if err := r.writeInto(document); err != nil {
			return err
		}
	}
	return con.pointTo("text", folder)
}

func (r benchResult) writeInto(document string) error {
	old, err := os.ReadFile(document)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(old), figuresBegin)
	_, after, ended := strings.Cut(rest, figuresEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the figures: it lacks the lines\n%s%s", document, figuresBegin, figuresEnd)
	}
	var figures bytes.Buffer
	r.page().Markdown(&figures)
	return os.WriteFile(document, slices.Concat([]byte(before+figuresBegin+"\n"), figures.Bytes(), []byte("\n"+figuresEnd+after)), 0o644)
}
