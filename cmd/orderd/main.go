// Command orderd takes orders over HTTP and, with the default guard, never sells what is not there.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// commands are the sub-commands and their settings.
type commands struct {
	Serve       serveCommand       `cmd:"" help:"Take orders over HTTP until SIGTERM."`
	Migrate     migrateCommand     `cmd:"" help:"Bring the database's schema up to this version, then exit."`
	Healthcheck healthcheckCommand `cmd:"" help:"Ask a running orderd whether it is ready: exit 0 if it is. For containers without a shell."`
	Reconcile   reconcileCommand   `cmd:"" help:"Check levels, ledger, orders and Redis against each other: exit 0 if all is right, 1 if not, 4 if the check could not be completed."`
	Keys        keysCommand        `cmd:"" help:"Make API keys."`
	Version     kong.VersionFlag   `help:"Print the version and exit."`
}

func main() {
	memory.tune()
	quietRedis()
	if err := run(untilSignal(), os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "orderd:", err)
		os.Exit(exitCode(err))
	}
}

// untilSignal returns a context that ends with the first SIGINT or SIGTERM. A second one ends
// the process at once: by the time the first one has any visible effect, signals are no longer
// caught.
func untilSignal() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel()
	}()
	return ctx
}

// errUsage marks mistakes in flags and environment.
var errUsage = errors.New("wrong usage")

func exitCode(err error) int {
	if errors.Is(err, errUsage) {
		return 2
	}
	if errors.Is(err, errNotChecked) {
		return 4
	}
	return 1
}

// streams are where a command writes to.
type streams struct {
	out  io.Writer // its result
	logs io.Writer // its messages
}

// run parses the arguments and runs the command until it is done or ctx ends.
// Tests call it with arguments and addresses of their own.
func run(ctx context.Context, args []string, out, logs io.Writer) error {
	var c commands
	exited := false
	parser, err := kong.New(&c,
		kong.Name("orderd"),
		kong.Description("Takes orders over HTTP. With the default guard it never sells what is not there."),
		kong.Writers(out, logs),
		kong.Exit(func(int) { exited = true }),
		kong.Vars{"version": version(), "modes": modeList(), "replica": defaultReplica()},
		kong.BindTo(ctx, (*context.Context)(nil)),
	)
	if err != nil {
		return err
	}
	if err := checkArguments(args); err != nil {
		return err
	}
	command, err := parser.Parse(args)
	if exited { // --help or --version has been answered
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (%w: see %s --help)", err, errUsage, chosen(err))
	}
	return command.Run(streams{out, logs})
}

// chosen returns the command that the arguments were parsed for, as far as that is known.
func chosen(err error) string {
	if p, ok := errors.AsType[*kong.ParseError](err); ok && p.Context != nil && p.Context.Selected() != nil {
		return p.Context.Selected().FullPath()
	}
	return "orderd"
}
