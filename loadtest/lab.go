package main

import (
	"errors"
	"fmt"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/report"
)

// labFlags are shared by the commands that run on servers of their own and are judged.
type labFlags struct {
	Orderd string `placeholder:"PATH" help:"Binary of orderd. Default: built from the source in this folder."`
	resultFlags
}

// run starts servers, has try fill in a command's cells and return their records, judges
// them, and leaves all of it in a folder.
func (l labFlags) run(
	con *console, command string, verdict *audit.Verdict, try func(*fleet.Fleet, *report.Result) ([]audit.Records, error),
) error {
	started := time.Now()
	if err := l.writable(command, started); err != nil { // before, and not after, all the work
		return err
	}
	con.say("starting PostgreSQL, Redis (two) and ZooKeeper")
	f, err := fleet.Open(con.ctx, l.Orderd)
	if err != nil {
		return err
	}
	defer f.Close()
	con.say("servers ready after %.1f s", time.Since(started).Seconds())
	r := con.newResult(command, started, stack.Find()...)
	records, err := try(f, &r)
	if err := con.ctx.Err(); err != nil {
		return err // users who interrupt a run do not want its logs
	}
	if err != nil {
		return errors.Join(err, l.keepLogs(command+"-failed", started, f))
	}
	folder, err := l.newFolder(command, started)
	if err != nil {
		return err
	}
	if err := errors.Join(f.SaveLogs(folder.Logs()), l.finish(con, folder, r, records, verdict)); err != nil {
		return err
	}
	con.say("took %.0f s", time.Since(started).Seconds())
	return con.pointTo(l.Format, folder)
}

// keepLogs saves the logs of a run that failed.
func (l labFlags) keepLogs(name string, started time.Time, f *fleet.Fleet) error {
	folder, err := l.newFolder(name, started)
	if err != nil {
		return err
	}
	if err := f.SaveLogs(folder.Logs()); err != nil {
		return err
	}
	return fmt.Errorf("the logs are in %s", folder.Logs())
}
