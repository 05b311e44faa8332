package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
	"orderd/loadtest/modes"
)

// A Setup says how the replicas are to run.
type Setup struct {
	Mode     string // of the lock
	Replicas int
	Work     time.Duration // --work
	LockWait time.Duration // --lock-wait
	BatchMax int           // --batch-max
	LockTTL  time.Duration // --lock-ttl; orderd's default if it is 0
	// Unreconciled turns the reconciler off: a fault is to show what orders do with Redis as
	// it is.
	Unreconciled bool
	// Balanced has a replica that gets SIGTERM wait until a balancer has noticed.
	Balanced bool
	// Flags are further flags of orderd serve.
	Flags []string
	// Shared has each replica use its share of the processors and no more, as a container's
	// limit would; otherwise each uses all of them.
	Shared bool
	// Reach returns the addresses at which each replica, counted from 0, finds its servers;
	// nil: the servers' own.
	Reach func(replica int) Addresses
	// Ports are the replicas' ports; nil: free ones.
	Ports []int
	// DatabaseURL is the database; empty: the fleet's own.
	DatabaseURL string
}

// Addresses are where a replica finds its servers.
type Addresses struct {
	DatabaseURL, StockRedis, LockRedis, ZooKeeper string
}

// Replicas are running processes of orderd that are ready.
type Replicas struct {
	URLs      []string
	AdminURLs []string
	Processes []*stack.Process
}

// startTries is how often replicas are started if one exits at once: another process may have
// taken its port in between.
const startTries = 3

// Start starts the replicas in parallel, and waits until each is ready.
func (f *Fleet) Start(ctx context.Context, s Setup) (*Replicas, error) {
	for try := 1; ; try++ {
		r, err := f.start(ctx, s)
		if err == nil || s.Ports != nil || try == startTries || !errors.Is(err, stack.ErrExited) {
			return r, err
		}
	}
}

func (f *Fleet) start(ctx context.Context, s Setup) (*Replicas, error) {
	ports, err := stack.FreePorts(2 * s.Replicas)
	if err != nil {
		return nil, err
	}
	copy(ports, s.Ports)
	r := &Replicas{
		URLs: make([]string, s.Replicas), AdminURLs: make([]string, s.Replicas),
		Processes: make([]*stack.Process, s.Replicas),
	}
	starting, startCtx := errgroup.WithContext(ctx)
	for i := range s.Replicas {
		r.URLs[i] = baseURL(ports[i])
		r.AdminURLs[i] = baseURL(ports[s.Replicas+i])
		starting.Go(func() (err error) {
			r.Processes[i], err = f.startOne(startCtx, s, i, ports[i], ports[s.Replicas+i])
			return err
		})
	}
	if err := starting.Wait(); err != nil {
		return nil, errors.Join(err, r.Stop(ctx))
	}
	return r, nil
}

// ReplicaID is the id of the nth replica, counted from 0: the first is r1.
func ReplicaID(n int) string { return "r" + strconv.Itoa(n+1) }

func (f *Fleet) startOne(ctx context.Context, s Setup, n, port, admin int) (*stack.Process, error) {
	id := ReplicaID(n)
	url := baseURL(port)
	to := f.Addresses(s.Mode)
	to.DatabaseURL = cmp.Or(s.DatabaseURL, to.DatabaseURL)
	if s.Reach != nil {
		to = s.Reach(n)
	}
	args := []string{
		"serve", "--id", id,
		"--listen", "127.0.0.1:" + strconv.Itoa(port),
		"--admin-listen", "127.0.0.1:" + strconv.Itoa(admin),
		"--database-url", to.DatabaseURL,
		"--redis-url", to.StockRedis,
		"--lock-redis-url", to.LockRedis,
		"--zookeeper", to.ZooKeeper,
		"--lock-mode", s.Mode,
		"--lock-wait", s.LockWait.String(),
		"--work", s.Work.String(),
		"--batch-max", strconv.Itoa(s.BatchMax),
		"--allow-unguarded",
	}
	if !s.Balanced {
		args = append(args, "--drain-delay", "0s")
	}
	if s.LockTTL > 0 {
		args = append(args, "--lock-ttl", s.LockTTL.String())
	}
	if s.Unreconciled {
		args = append(args, "--reconcile-every", "0s")
	}
	var env []string
	if s.Shared {
		env = append(env, "GOMAXPROCS="+strconv.Itoa(max(1, runtime.NumCPU()/s.Replicas)))
	}
	return f.stack.Start(ctx, stack.Command{
		Name:  f.prefix + "orderd-" + id,
		Path:  f.orderd,
		Args:  append(args, s.Flags...),
		Env:   env,
		Ready: func(ctx context.Context) error { return ready(ctx, url, id) },
		Grace: 30 * time.Second, // longer than orderd promises to take
	})
}

// Addresses returns the servers' addresses for a replica with that lock mode.
func (f *Fleet) Addresses(mode string) Addresses {
	to := Addresses{f.url, f.Stock.URL, f.Locks.URL, f.ZooKeeper.Addr}
	switch {
	case f.Sentinel != nil:
		to.LockRedis = "redis+sentinel://" + manyAddresses(f.Sentinel.Addrs) + "&master_name=" + f.Sentinel.MasterName
	case f.Cluster != nil:
		to.LockRedis = "redis+cluster://" + manyAddresses(f.Cluster.Addrs)
	case f.Ensemble != nil:
		to.ZooKeeper = strings.Join(f.Ensemble.Addrs, ",")
	}
	if mode == modes.Redlock {
		urls := make([]string, len(f.Masters))
		for i, master := range f.Masters {
			urls[i] = master.URL
		}
		to.LockRedis = strings.Join(urls, ",")
	}
	return to
}

// manyAddresses formats hosts in the syntax of --redis-url.
func manyAddresses(hosts []string) string {
	return hosts[0] + "?addr=" + strings.Join(hosts[1:], "&addr=")
}

func baseURL(port int) string { return "http://127.0.0.1:" + strconv.Itoa(port) }

// ready returns nil if the replica with that id answers at url, and is ready.
func ready(ctx context.Context, url, id string) error {
	header, _, err := Get(ctx, url+"/readyz")
	if err == nil && header.Get("X-Orderd-Replica") != id {
		err = fmt.Errorf("%s answers as %q", url, header.Get("X-Orderd-Replica"))
	}
	return err
}

// Stop ends the replicas gracefully, in parallel.
func (r *Replicas) Stop(ctx context.Context) error {
	var stopping errgroup.Group
	for _, p := range r.Processes {
		if p == nil {
			continue // it never started
		}
		stopping.Go(func() error {
			if err := p.Stop(ctx); err != nil {
				return fmt.Errorf("stop %s: %w", p.Name(), err)
			}
			return nil
		})
	}
	return stopping.Wait()
}

// Memory is the resident memory of a process in MiB, as the kernel counts it; 0 where the
// kernel does not report it.
type Memory struct {
	Peak    float64 // without Program: the most so far
	Program float64 // pages of the program's file, which the kernel can drop and read again
}

// Memory returns the memory of the replica with the highest peak.
func (r *Replicas) Memory() (Memory, error) {
	var most Memory
	for _, p := range r.Processes {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid()))
		if errors.Is(err, os.ErrNotExist) {
			return Memory{}, nil // not Linux
		}
		if err != nil {
			return Memory{}, err
		}
		kiB := map[string]float64{}
		for line := range strings.Lines(string(status)) {
			name, value, _ := strings.Cut(line, ":")
			var n float64
			if _, err := fmt.Sscanf(value, "%f kB", &n); err == nil {
				kiB[name] = n
			}
		}
		program := kiB["RssFile"]
		if peak := (kiB["VmHWM"] - program) / 1024; peak > most.Peak {
			most = Memory{Peak: peak, Program: program / 1024}
		}
	}
	return most, nil
}
