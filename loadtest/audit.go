package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"orderd/loadtest/audit"
	"orderd/loadtest/fault"
	"orderd/loadtest/report"
	"orderd/loadtest/soak"
)

type auditCommand struct {
	Dir string `arg:"" help:"Folder of the run, such as results/latest."`
	outputFlags
}

// Run judges the run's records again and prints the result. It writes nothing.
func (c *auditCommand) Run(con *console, verdict *audit.Verdict) error {
	folder, err := report.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	r, err := readRows(folder)
	if err != nil {
		return err
	}
	records, err := folder.ReadHistory(len(r.Cells))
	if err != nil {
		return err
	}
	for i := range r.Cells {
		cell := &r.Cells[i]
		records[i].Clients = cell.Clients
		before := cell.Invariants
		again(r.Command, cell, records[i])
		missing(cell, before)
	}
	r.Conclude()
	*verdict = r.Verdict
	return c.print(con, r)
}

// missing adds to a cell that was judged again, as undecided, the invariants that were
// decided before and cannot be any more: their records are gone.
func missing(cell *report.Cell, before []audit.Invariant) {
	for _, was := range before {
		same := func(i audit.Invariant) bool { return i.Name == was.Name }
		if !slices.ContainsFunc(cell.Invariants, same) && !slices.ContainsFunc(cell.Counted, same) {
			cell.Invariants = append(cell.Invariants, audit.Invariant{
				Name: was.Name, Verdict: audit.Undecided, Evidence: "what it was decided by is not in the history any more",
			})
		}
	}
	cell.Conclude()
}

// again judges a cell of a finished run of the command.
func again(command string, cell *report.Cell, records audit.Records) {
	switch command {
	case report.FaultsCommand:
		fault.Again(cell, records)
	case report.SoakCommand:
		soak.Again(cell, records)
	default:
		cell.Judge(records, time.Duration(cell.Seconds*float64(time.Second)))
	}
}

type reportCommand struct {
	Dir      string `arg:"" help:"Folder of the run, such as results/latest."`
	Markdown string `placeholder:"FILE" help:"Also write a benchmark's figures into this document, such as docs/speed.md."`
}

// Run redraws the report from result.json.
func (c *reportCommand) Run(con *console) error {
	folder, err := report.OpenFolder(c.Dir)
	if err != nil {
		return err
	}
	r, err := report.Read[report.Result](folder)
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.Command, "bench") {
		return drawAgain(con, folder, c.Markdown)
	}
	if c.Markdown != "" {
		return fmt.Errorf("%w: --markdown: is for benchmarks", errUsage)
	}
	if err := folder.Draw(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return con.pointTo("text", folder)
}

// readRows reads the result of a run that has rows, which a benchmark has not.
func readRows(folder report.Folder) (report.Result, error) {
	r, err := report.Read[report.Result](folder)
	if err == nil && len(r.Cells) == 0 {
		err = fmt.Errorf("loadtest %s drove no orders: there is nothing to judge", r.Command)
	}
	return r, err
}
