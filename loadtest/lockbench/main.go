// Command lockbench takes turns with one lock, alone or together with other processes, and
// reports how long it waited for them. The locks are orderd's own and those of public
// libraries; it is a module of its own so that orderd does not depend on the latter.
// "loadtest bench locks" builds it, runs it and evaluates its reports.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// settings are the values of the flags.
type settings struct {
	contender string
	servers   servers
	key       string
	referee   string
	waiters   int
	plan      plan
}

func main() {
	// The pipe to stdin closes when the program that started this one is gone. The
	// measurement is of no use then, and some contenders would wait for ever.
	gone := func() { os.Exit(1) }
	if err := run(os.Args[1:], os.Stdin, os.Stdout, gone); err != nil {
		fmt.Fprintln(os.Stderr, "lockbench:", err)
		os.Exit(1)
	}
}

// run opens the contender, writes "ready", takes turns once it has read a line, and writes
// the sample. It calls gone if in ends while it takes turns.
func run(args []string, in io.Reader, out io.Writer, gone func()) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	c, ok := contenders[s.contender]
	if !ok {
		return fmt.Errorf("--contender: there is no %q", s.contender)
	}
	opened, err := c.open(s.servers, s.waiters)
	if err != nil {
		return fmt.Errorf("open %s: %w", s.contender, err)
	}
	defer opened.close()
	ctx, cancel := context.WithTimeout(context.Background(), s.plan.limit())
	defer cancel()
	if err := warm(ctx, opened, s.key, s.waiters); err != nil {
		return fmt.Errorf("%s, first turns: %w", s.contender, err)
	}

	fmt.Fprintln(out, "ready")
	lines := bufio.NewReader(in)
	if _, err := lines.ReadString('\n'); err != nil {
		return fmt.Errorf("wait for the start: %w", err)
	}
	var done atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, lines) // returns when in ends, for whatever reason
		if !done.Load() {
			gone()
		}
	}()

	tally, err := drive(ctx, opened, s)
	done.Store(true) // only the sample is left to be written
	if err != nil {
		return err
	}
	result, err := tally.Seal()
	if err != nil {
		return err
	}
	result.About, result.Versions = c.about, versions()
	return json.NewEncoder(out).Encode(result)
}

func parse(args []string) (settings, error) {
	var s settings
	f := flag.NewFlagSet("lockbench", flag.ContinueOnError)
	f.StringVar(&s.contender, "contender", "", "the lock: "+strings.Join(names(), ", "))
	f.StringVar(&s.servers.redis, "redis", "", "host:port of Redis")
	f.StringVar(&s.servers.zooKeeper, "zookeeper", "", "host:port of ZooKeeper")
	f.StringVar(&s.servers.masters, "masters", "", "host:port of independent Redis servers, with commas between")
	f.StringVar(&s.servers.postgres, "postgres", "", "URL of PostgreSQL")
	f.StringVar(&s.key, "key", "", "name of the lock")
	f.StringVar(&s.referee, "referee", "", "file that all processes of a run share, to find two turns at once")
	f.IntVar(&s.waiters, "waiters", 1, "how many want the lock at a time")
	f.DurationVar(&s.plan.hold, "hold", 0, "how long a turn lasts")
	f.DurationVar(&s.plan.warmUp, "warm-up", 500*time.Millisecond, "how long before turns count")
	f.DurationVar(&s.plan.window, "window", 2*time.Second, "for how long turns count")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	switch {
	case s.key == "":
		return s, errors.New("--key: is missing")
	case s.referee == "":
		return s, errors.New("--referee: is missing")
	case s.waiters < 1:
		return s, errors.New("--waiters: must be at least 1")
	case s.plan.hold < 0 || s.plan.warmUp < 0 || s.plan.window <= 0:
		return s, errors.New("--hold, --warm-up and --window: must not be negative, the window not empty")
	}
	return s, nil
}
