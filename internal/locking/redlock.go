package locking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-redsync/redsync/v4"
	"github.com/redis/go-redis/v9"
)

// The names of everything that this mode stores on its masters. One counter serves all locks;
// redlock_node.lua says why.
const (
	redlockPrefix  = "orderd:redlock:"
	redlockCounter = "orderd:redlock-token"
)

// RedlockConfig says which Redis servers keep the locks and for how long.
type RedlockConfig struct {
	// Masters are servers (6.2 or newer) that are independent of each other. A lock needs a
	// majority of them: with an odd number, three or more, a minority may fail. All lockers
	// that are to exclude each other name the same ones. Time-outs and retries are set by the
	// locker.
	Masters []*redis.UniversalOptions
	TTL     time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner   string        // the replica's name; part of a lock's value, for operators
	// Opened is called with each client before its first use, so that it can be instrumented;
	// may be nil.
	Opened func(redis.UniversalClient)
}

// Redlock locks keys on several independent Redis servers: whoever is granted a key by a
// majority of them, before the first of these grants could end, holds it. Leases last for the
// TTL and are renewed.
//
// The callers of one process ask the servers for a key one at a time, first come, first
// served; between processes there is no order.
//
// The promise rests on clocks that run at the same rate, and on servers that keep what they
// have granted: one that is restarted without its data within the TTL may grant a key once
// more, and then two holders may have a quorum.
type Redlock struct {
	wakeups
	nodes   []*redlockNode
	quorum  int
	sync    *redsync.Redsync
	name    string // of this process: "replica:random"
	serial  atomic.Int64
	ttl     time.Duration
	call    time.Duration // limit of one request to one master
	front   *Local        // lets one caller per key and process ask the masters
	workers *workers

	heard atomic.Pointer[time.Time] // when a quorum answered last
}

var (
	_ Locker  = (*Redlock)(nil)
	_ Evictor = (*Redlock)(nil)
)

// NewRedlock returns a locker. It checks the configuration but asks nothing of
// the masters, which may come up later.
func NewRedlock(cfg RedlockConfig) (*Redlock, error) {
	if err := errors.Join(checkMasters(cfg.Masters), checkLease(cfg.TTL, cfg.Owner)); err != nil {
		return nil, fmt.Errorf("lock redlock: %w", err)
	}
	r := &Redlock{
		quorum:  len(cfg.Masters)/2 + 1,
		name:    cfg.Owner + ":" + rand.Text(),
		ttl:     cfg.TTL,
		call:    callTimeout(cfg.TTL),
		front:   NewLocal(),
		workers: newWorkers(),
	}
	for i, master := range cfg.Masters {
		r.nodes = append(r.nodes, newRedlockNode(r, i, master))
		if cfg.Opened != nil {
			cfg.Opened(r.nodes[i].client)
		}
	}
	r.sync = newRedsync(r.nodes)
	return r, nil
}

func checkMasters(masters []*redis.UniversalOptions) error {
	if len(masters) == 0 {
		return errors.New("no master")
	}
	seen := make(map[string]bool)
	for i, o := range masters {
		if err := checkRedis(o); err != nil {
			return fmt.Errorf("master %d: %w", i+1, err)
		}
		if o.MasterName == "" && (len(o.Addrs) > 1 || o.IsClusterMode) {
			return fmt.Errorf("master %d: a Cluster is not one server", i+1)
		}
		// A master named twice would have two votes.
		name := fmt.Sprintf("%s %s/%d", o.MasterName, strings.Join(o.Addrs, ","), o.DB)
		if seen[name] {
			return fmt.Errorf("master %d: %s is named twice", i+1, strings.TrimSpace(name))
		}
		seen[name] = true
	}
	return nil
}

// Ping reports whether a quorum answers right now.
func (r *Redlock) Ping(ctx context.Context) error {
	_, err := askAll(r, func(n *redlockNode) (string, error) { return n.client.Ping(ctx).Result() })
	return err
}

// Close ends every wait and every lease still held, and gives pending clean-up one last try.
func (r *Redlock) Close() error {
	<-r.workers.close()
	errs := make([]error, len(r.nodes))
	for i, n := range r.nodes {
		errs[i] = n.client.Close()
	}
	return errors.Join(errs...)
}

// Acquire implements Locker.
func (r *Redlock) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	ctx, keys, end, err := r.workers.begin(ctx, keys)
	if err != nil {
		return nil, err
	}
	defer end()
	if !r.front.enterAll(ctx, keys, nil) {
		return nil, waitError(ctx, r.heardLately())
	}
	// Leave the front at the grant, not at the release: otherwise one process could pass the
	// key around among its own callers while other processes wait.
	defer r.front.leaveAll(keys)

	h := &redlockHolder{redlock: r, attempts: make(map[string]*redlockAttempt)}
	l := newLease(r.workers.life, h, r.ttl)
	if err := h.take(ctx, l, keys); err != nil {
		_ = l.Release(ctx) // what it could not settle is settled in the background
		return nil, err
	}
	return l, nil
}

// heardLately reports whether a quorum has answered within the TTL: whoever held a key then
// may still hold it.
func (r *Redlock) heardLately() bool {
	heard := r.heard.Load()
	return heard != nil && time.Since(*heard) < r.ttl
}

// hear records the time if answers, the number of masters that have just answered, is a
// quorum.
func (r *Redlock) hear(answers int) {
	if now := time.Now(); answers >= r.quorum {
		r.heard.Store(&now)
	}
}

// owner returns a new name for one attempt, "replica:process:number". No two attempts share
// one: what is still on its way for one, a grant or a deletion, must not touch the lock of
// another.
func (r *Redlock) owner() string {
	return r.name + ":" + strconv.FormatInt(r.serial.Add(1), 10)
}
