// Command loadtest is orderd's laboratory: it drives real replicas on real
// servers, audits the books, and shows which lock mode sold too much.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/bench/locks"
	"orderd/loadtest/fault"
	"orderd/loadtest/modes"
)

// Exit codes.
const (
	exitHeld      = 0 // every expectation held
	exitViolated  = 1 // an invariant or an expectation did not
	exitUsage     = 2 // wrong flags
	exitUndecided = 3 // nothing was violated, but something is undecided
	exitFailed    = 4 // the laboratory could not run
)

type commands struct {
	Compare  compareCommand  `cmd:"" help:"Drive every lock mode with one replica and with several, on servers of its own, and compare."`
	Run      runCommand      `cmd:"" help:"Drive a deployment that is already there, then audit it over HTTP."`
	Faults   faultsCommand   `cmd:"" help:"Break each lock on purpose, on servers of its own, and show which layer caught it."`
	Soak     soakCommand     `cmd:"" help:"Drive a shop for long, with all that clients ask for, while replicas and servers come and go, and see that nothing is lost, done twice, or grows."`
	Play     playCommand     `cmd:"" help:"Start servers and replicas to play with, until Ctrl-C."`
	Bench    benchCommands   `cmd:"" help:"Measure speed, as ratios within one run: orders and locks, in some 25 minutes, unless a command says what."`
	Audit    auditCommand    `cmd:"" help:"Judge a finished run again from its files."`
	Report   reportCommand   `cmd:"" help:"Draw a finished run's report again from its files."`
	Selftest selftestCommand `cmd:"" help:"Try the audit on histories with seeded bugs, each of which it must catch."`
	Nothing  nothingCommand  `cmd:"" hidden:"" help:"Serve HTTP with a handler that does nothing."`
	Doctor   doctorCommand   `cmd:"" help:"Tell which servers are found, and how to install the missing ones."`
}

// errUsage marks the error of a command that finds only while running that it is used
// wrongly.
var errUsage = errors.New("wrong usage")

// A console is how commands talk to the user: results go to out, everything else to progress.
type console struct {
	ctx      context.Context
	out      io.Writer
	progress io.Writer
	// colours tells what out can show, bars what progress can.
	colours, bars bool
	arguments     []string
	bar           atomic.Pointer[bar] // that is on the terminal now
}

func main() {
	stack.Alone()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	code := run(&console{
		ctx: ctx, out: os.Stdout, progress: os.Stderr, arguments: os.Args[1:],
		colours: !plain && term.IsTerminal(int(os.Stdout.Fd())),
		bars:    os.Getenv("TERM") != "dumb" && os.Getenv("CI") == "" && term.IsTerminal(int(os.Stderr.Fd())),
	})
	stop()
	os.Exit(code)
}

// run parses the arguments, runs the command and returns the exit code.
func run(c *console) int {
	var cmds commands
	exited := false
	parser, err := kong.New(&cmds,
		kong.Name("loadtest"),
		kong.Description("orderd's laboratory. Exit codes: 0 all expectations held, 1 one did not, 2 wrong usage, 3 undecided, 4 could not run."),
		kong.Writers(c.out, c.progress),
		kong.Exit(func(int) { exited = true }),
		kong.Vars{
			"modes": strings.Join(modes.Names(), ","), "guards": strings.Join(modes.Guards, ","),
			"contenders": strings.Join(locks.Names(), ","), "faults": strings.Join(fault.Names(), ","),
			"orders_window": ordersWindow.String(), "turns_window": turnsWindow.String(),
			"lock_processes": strconv.Itoa(lockProcesses), "lock_waiters": strconv.Itoa(lockWaiters),
		},
	)
	if err != nil {
		return c.fail(exitFailed, err)
	}
	command, err := parser.Parse(c.arguments)
	if exited { // --help has been answered
		return exitHeld
	}
	if err != nil {
		return c.fail(exitUsage, fmt.Errorf("%w (see %s --help)", err, chosen(err)))
	}
	var verdict audit.Verdict
	command.Bind(c, &verdict)
	written := &checkedWriter{Writer: c.out}
	c.out = written
	err = command.Run()
	if err == nil && written.err != nil {
		err = fmt.Errorf("the result could not be written: %w", written.err)
	}
	switch {
	case c.ctx.Err() != nil && err != nil:
		return c.fail(exitFailed, errors.New("interrupted"))
	case errors.Is(err, errUsage):
		return c.fail(exitUsage, err)
	case err != nil:
		return c.fail(exitFailed, err)
	}
	switch verdict {
	case audit.Violated:
		return exitViolated
	case audit.Undecided:
		return exitUndecided
	default:
		return exitHeld
	}
}

func (c *console) fail(code int, err error) int {
	fmt.Fprintln(c.progress, "loadtest:", err)
	return code
}

// chosen returns the command that the arguments were parsed for, as far as that is known.
func chosen(err error) string {
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected().FullPath()
	}
	return "loadtest"
}
