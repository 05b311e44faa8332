package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/report"
)

// newResult returns a command's result before anything has been found out. servers are those
// that it starts.
func (c *console) newResult(command string, started time.Time, servers ...stack.Server) report.Result {
	versions := map[string]string{"Go": runtime.Version()}
	for _, s := range servers {
		versions[s.Name] = s.Version
	}
	return report.Result{
		SchemaVersion: report.SchemaVersion, Command: command, Arguments: c.arguments, Started: started.UTC(),
		Host: report.ThisHost(), Versions: versions, Config: map[string]string{}, Cells: []report.Cell{},
	}
}

// outputFlags are shared by the commands that print a result.
type outputFlags struct {
	Format string `default:"text" enum:"text,json" help:"Format of the result on stdout: ${enum}."`
}

func (f outputFlags) print(c *console, r report.Result) error {
	if f.Format == "json" {
		return report.JSON(c.out, r)
	}
	report.Text(c.out, r, c.colours)
	return nil
}

// resultFlags are those of commands that leave a folder.
type resultFlags struct {
	Results string `default:"results" placeholder:"DIR" help:"Folder for the files of the run."`
	outputFlags
}

// newFolder makes the folder of a run.
func (f resultFlags) newFolder(name string, started time.Time) (report.Folder, error) {
	folder, err := report.NewFolder(f.Results, name, started)
	if err != nil {
		return report.Folder{}, fmt.Errorf("--results: %w", err)
	}
	return folder, nil
}

// writable makes sure that a run's folder can be made.
func (f resultFlags) writable(name string, started time.Time) error {
	folder, err := f.newFolder(name, started)
	if err != nil {
		return err
	}
	return folder.Discard()
}

// finish judges a run by its cells, writes its files and prints it: even if they could not be
// written, it is worth knowing.
func (f resultFlags) finish(
	con *console, folder report.Folder, r report.Result, history []audit.Records, verdict *audit.Verdict,
) error {
	r.Conclude()
	*verdict = r.Verdict
	return errors.Join(folder.Finish(r, history), f.print(con, r))
}
