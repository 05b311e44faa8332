package main

import (
	"errors"
	"fmt"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"orderd/loadtest/audit"
	"orderd/loadtest/report"
	"orderd/loadtest/selftest"
)

type selftestCommand struct {
	Seed  uint64 `default:"1" help:"Seed of the first history; the others follow it."`
	Seeds int    `default:"100" help:"Histories for each bug."`
	outputFlags
}

// Validate finds values that make no sense. Errors name the flag.
func (c *selftestCommand) Validate() error {
	if c.Seeds < 1 || c.Seeds > 100_000 {
		return errors.New("--seeds: must be 1 to 100000")
	}
	return nil
}

// A selftestResult is the command's result as JSON.
type selftestResult struct {
	SchemaVersion int                `json:"schema_version"`
	Command       string             `json:"command"`
	Seed          uint64             `json:"seed"`
	Seeds         int                `json:"seeds"`
	Verdict       audit.Verdict      `json:"verdict"`
	Bugs          []selftest.Finding `json:"bugs"` // the clean history first
}

// Run tries the audit on histories with seeded bugs, and on clean ones.
func (c *selftestCommand) Run(con *console, verdict *audit.Verdict) error {
	findings, err := selftest.Run(con.ctx, c.Seed, c.Seeds)
	if err != nil {
		return err
	}
	*verdict = audit.Held
	for _, f := range findings {
		if f.Verdict == audit.Violated || f.Verdict == audit.Undecided && *verdict == audit.Held {
			*verdict = f.Verdict
		}
	}
	if c.Format == "json" {
		return report.JSON(con.out, selftestResult{report.SchemaVersion, "selftest", c.Seed, c.Seeds, *verdict, findings})
	}
	c.table(con, findings)
	return nil
}

// table prints the findings.
func (c *selftestCommand) table(con *console, findings []selftest.Finding) {
	fmt.Fprintf(con.out, "%d histories of %d orders for each bug, from seed %d on. A bug strikes in those where it makes a difference.\n",
		c.Seeds, selftest.Orders, c.Seed)
	t := report.NewTable()
	t.AppendHeader(table.Row{"what is wrong", "struck", "caught", "by the invariant", "verdict"})
	t.SetColumnConfigs(report.Right(2, 3))
	var wrong []string
	for _, f := range findings {
		struck, caught, invariant, word := fmt.Sprint(f.Struck), fmt.Sprint(f.Caught), f.Invariant, "✓ caught"
		if f.Bug == selftest.None {
			struck, caught, invariant, word = "", "", fmt.Sprintf("all invariants held in %d of %d", f.Caught, f.Seeds), "✓ passed"
		}
		colour := text.FgGreen
		switch f.Verdict {
		case audit.Violated:
			word, colour = "✗ MISSED", text.FgRed
			wrong = append(wrong, fmt.Sprintf("%s: %s", f.Bug, f.Evidence))
		case audit.Undecided:
			word, colour = "? never struck", text.FgYellow
		case audit.Held:
		}
		if con.colours {
			word = colour.Sprint(word)
		}
		t.AppendRow(table.Row{f.Bug, struck, caught, invariant, word})
	}
	fmt.Fprintln(con.out, report.Trimmed(t.Render()))
	for _, line := range wrong {
		fmt.Fprintln(con.out, line)
	}
}
