package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/audit"
	"orderd/loadtest/fleet"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// Kinds of disruptions, as they are counted.
const (
	killed    = "replicas killed"
	ended     = "replicas stopped by SIGTERM"
	restarted = " restarts" // of a server; its name goes before it
)

const (
	// outageEvery is about how often a replica is ended.
	outageEvery = 8 * time.Second
	// minOutages is how many replicas are ended in each phase of the shortest soak: one of
	// each kind.
	minOutages = 2
)

// A chaos ends and restarts replicas and servers. It spares the first replica, to see whether
// that grows.
type chaos struct {
	replicas []*stack.Process
	servers  []server
	random   *rand.Rand

	done     map[string]int
	timeline report.Recorder
	cleared  time.Duration // when the last disruption was over
}

// A server is one that all replicas need. It is ended as by a crash.
type server struct {
	name    string
	process *stack.Process
	end     syscall.Signal
}

func newChaos(f *fleet.Fleet, r *fleet.Replicas, mode string, seed uint64, clock time.Time) *chaos {
	w := &chaos{
		replicas: r.Processes, random: rand.New(rand.NewPCG(seed, 0)), done: map[string]int{}, timeline: report.Recorder{Clock: clock},
		servers: []server{
			{"postgres", f.Postgres.Process, syscall.SIGQUIT}, // an immediate shutdown, which ends its children first
			{"redis-stock", f.Stock.Process, syscall.SIGKILL},
		},
	}
	switch mode {
	case modes.Redis:
		w.servers = append(w.servers, server{"redis-locks", f.Locks.Process, syscall.SIGKILL})
	case modes.Redlock:
		w.servers = append(w.servers, server{"redis-master-1", f.Masters[0].Process, syscall.SIGKILL})
	case modes.ZooKeeper:
		w.servers = append(w.servers, server{"zookeeper", f.ZooKeeper.Process, syscall.SIGKILL})
	}
	return w
}

// draw returns the timeline once the part is over: the replicas, then the servers.
func (w *chaos) draw(over time.Duration) *report.Timeline {
	var lanes []string
	for n := range w.replicas {
		lanes = append(lanes, fleet.ReplicaID(n))
	}
	for _, s := range w.servers {
		lanes = append(lanes, s.name)
	}
	return w.timeline.Timeline(over, lanes...)
}

// run restarts each server once, and several replicas, in an order that follows from the
// seed. It takes longer than lasts if they do.
func (w *chaos) run(ctx context.Context, lasts time.Duration) error {
	end := time.NewTimer(lasts)
	defer end.Stop()
	var strikes []func(context.Context) error
	for _, s := range w.servers {
		strikes = append(strikes, func(ctx context.Context) error { return w.restart(ctx, s) })
	}
	for n := range max(minOutages, int(lasts/outageEvery)) {
		p := 1 + w.random.IntN(len(w.replicas)-1)
		strikes = append(strikes, func(ctx context.Context) error { return w.replace(ctx, p, n%2 == 0) })
	}
	w.random.Shuffle(len(strikes), func(i, j int) { strikes[i], strikes[j] = strikes[j], strikes[i] })
	next := time.NewTicker(lasts / time.Duration(len(strikes)+1))
	defer next.Stop()
	for _, strike := range strikes {
		select {
		case <-next.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if err := strike(ctx); err != nil {
			return err
		}
	}
	w.cleared = time.Since(w.timeline.Clock)
	select {
	case <-end.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// restart ends a server as a crash would, and starts it again.
func (w *chaos) restart(ctx context.Context, s server) error {
	w.done[s.name+restarted]++
	return w.timeline.Down(s.name, "down", func() error {
		if err := s.process.EndBy(ctx, s.end); err != nil {
			return err
		}
		return s.process.Restart(ctx)
	})
}

// replace ends the nth replica, and starts another in its place.
func (w *chaos) replace(ctx context.Context, n int, kill bool) error {
	p, label := w.replicas[n], "SIGTERM"
	end := func() error { return p.Stop(ctx) }
	if kill {
		label, end = "killed", p.Kill
		w.done[killed]++
	} else {
		w.done[ended]++
	}
	return w.timeline.Down(fleet.ReplicaID(n), label, func() error {
		if err := end(); err != nil {
			return err
		}
		return p.Restart(ctx)
	})
}

// fault returns the chaos as the audit's fault.
func (w *chaos) fault() *audit.Fault {
	return &audit.Fault{Name: report.SoakCommand, Fired: len(w.done) > 0, Healed: &w.cleared}
}

// String counts what was done.
func (w *chaos) String() string {
	return told(w.done, append([]string{killed, ended}, w.restarts()...))
}

func (w *chaos) restarts() []string {
	var names []string
	for _, s := range w.servers {
		names = append(names, s.name+restarted)
	}
	return names
}

// told writes the counts of the names in words, leaving out zeros.
func told(counts map[string]int, names []string) string {
	var words []string
	for _, name := range slices.DeleteFunc(slices.Clone(names), func(name string) bool { return counts[name] == 0 }) {
		words = append(words, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(words, ", ")
}
