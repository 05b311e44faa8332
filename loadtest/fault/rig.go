package fault

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"orderd/internal/stack"
	"orderd/loadtest/fleet"
	"orderd/loadtest/load"
	"orderd/loadtest/wire"
)

// lockWait is how long an order waits for the lock: longer than any lease whose end a
// schedule waits for.
const lockWait = 8 * time.Second

// maxConnections is how many idle connections the clients keep to each replica.
const maxConnections = 16

// A Rig is the replicas for one fault and mode, the two actors behind proxies of their own,
// and their servers.
type Rig struct {
	fleet    *fleet.Fleet
	mode     string
	A, B     *Actor
	C        *Actor       // the replica to which nothing is done
	client   *load.Client // to A, B and C
	observer *load.Client
	replicas *fleet.Replicas
	running  sync.WaitGroup
	// reconciled tells that the replicas keep repairing Redis.
	reconciled bool
	// quiet is how long after a fault Redis may be wrong and locks may be held.
	quiet time.Duration
}

// An Actor is a replica that takes part in a schedule.
type Actor struct {
	ID       string
	replica  int // its index
	Postgres *wire.Postgres
	Locks    []*wire.Raw // to the lock service, unless that is Postgres
	admin    string
	process  *stack.Process
}

// actors is how many replicas something is done to; one more observes.
const actors = 2

// openRig starts the replicas on the fleet's servers.
func openRig(ctx context.Context, f *fleet.Fleet, mode string, fault Fault, batchMax int) (_ *Rig, err error) {
	r := &Rig{fleet: f, mode: mode, quiet: fault.TTL + recoverLimit, reconciled: fault.Disruption != nil}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	addresses := make([]fleet.Addresses, actors+1)
	addresses[actors] = f.Addresses(mode)
	for i, a := range []**Actor{&r.A, &r.B} {
		*a = &Actor{ID: fleet.ReplicaID(i), replica: i}
		if addresses[i], err = (*a).connect(f.Addresses(mode), mode); err != nil {
			return nil, err
		}
	}
	r.replicas, err = f.Start(ctx, fleet.Setup{
		Mode: mode, Replicas: actors + 1, LockWait: lockWait, LockTTL: fault.TTL, Work: fault.Work, BatchMax: batchMax,
		// The reconciler would repair within a second what a schedule is about to show.
		Unreconciled: !r.reconciled,
		Reach:        func(replica int) fleet.Addresses { return addresses[replica] },
	})
	if err != nil {
		return nil, err
	}
	for i, a := range []*Actor{r.A, r.B} {
		a.process, a.admin = r.replicas.Processes[i], r.replicas.AdminURLs[i]
	}
	r.C = &Actor{ID: fleet.ReplicaID(actors), replica: actors, admin: r.replicas.AdminURLs[actors], process: r.replicas.Processes[actors]}
	r.client = load.NewClient(r.replicas.URLs, maxConnections)
	r.observer = load.NewClient(r.replicas.URLs[actors:], actors)
	return r, nil
}

// connect puts a proxy between the actor and each server that faults are about, and returns the addresses
// that the actor is to use.
func (a *Actor) connect(to fleet.Addresses, mode string) (_ fleet.Addresses, err error) {
	if to.DatabaseURL, err = through(to.DatabaseURL, func(host string) (string, error) {
		a.Postgres, err = wire.NewPostgres(host)
		if err != nil {
			return "", err
		}
		return a.Postgres.Addr(), nil
	}); err != nil {
		return to, err
	}
	lock := func(host string) (string, error) {
		p, err := wire.NewRaw(host)
		if err != nil {
			return "", err
		}
		a.Locks = append(a.Locks, p)
		return p.Addr(), nil
	}
	switch mode {
	case redis, redlock:
		if strings.HasPrefix(to.LockRedis, "redis+") {
			break // these servers tell their clients other addresses
		}
		urls := strings.Split(to.LockRedis, ",")
		for i := range urls {
			if urls[i], err = through(urls[i], lock); err != nil {
				return to, err
			}
		}
		to.LockRedis = strings.Join(urls, ",")
	case zookeeper:
		hosts := strings.Split(to.ZooKeeper, ",")
		for i := range hosts {
			if hosts[i], err = lock(hosts[i]); err != nil {
				return to, err
			}
		}
		to.ZooKeeper = strings.Join(hosts, ",")
	}
	return to, nil
}

// through replaces the host of a URL by the address of a proxy to it.
func through(text string, proxy func(host string) (string, error)) (string, error) {
	u, err := url.Parse(text)
	if err != nil {
		return "", err
	}
	u.Host, err = proxy(u.Host)
	return u.String(), err
}

// close ends the replicas and the proxies.
func (r *Rig) close() {
	if r.client != nil {
		r.client.Close()
		r.observer.Close()
	}
	if r.replicas != nil {
		for _, p := range r.replicas.Processes {
			_ = p.Kill() // no need for a graceful end
		}
	}
	for _, a := range []*Actor{r.A, r.B} {
		a.close()
	}
	r.running.Wait()
}

func (a *Actor) close() {
	if a == nil {
		return
	}
	if a.Postgres != nil {
		a.Postgres.Close()
	}
	for _, p := range a.Locks {
		p.Close()
	}
}

// waiters asks a replica how many of its orders wait for a lock.
func (r *Rig) waiters(ctx context.Context, a *Actor) (int, error) {
	_, metrics, err := fleet.Get(ctx, a.admin+"/metrics")
	if err != nil {
		return 0, err
	}
	const name = "orderd_lock_waiters{"
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, name) {
			_, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("no metric %s", name)
}
