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

// Every name that this mode writes to its masters. The counter is one for all
// locks; redlock_node.lua says why.
const (
	redlockPrefix  = "orderd:redlock:"
	redlockCounter = "orderd:redlock-token"
)

// RedlockConfig says which Redis servers keep the locks and for how long.
type RedlockConfig struct {
	// Masters are servers (6.2 or newer) that know nothing of each other. A
	// lock needs more than half of them: with an odd number, three or more,
	// fewer than half may fail. All who are to exclude each other name the
	// same ones. Time-outs and retries are set by the locker.
	Masters []*redis.UniversalOptions
	TTL     time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner   string        // the replica; part of a lock's value, for whoever looks
	// Opened is handed each client before its first use, to watch what it does; may
	// be nil.
	Opened func(redis.UniversalClient)
}

// Redlock makes all who use the same independent Redis servers take turns: who
// is granted a key by more than half of them, before the first of these grants
// could end, holds it. Leases last for the TTL and are renewed.
//
// Callers in one process come to the servers one at a time for each key, first
// come, first served; processes take their chances.
//
// The promise rests on clocks that run alike, and on servers that keep what they
// have granted: one that is restarted without its data within the TTL may grant
// a key once more, and then two may have a quorum.
type Redlock struct {
	wakeups
	nodes   []*redlockNode
	quorum  int
	sync    *redsync.Redsync
	name    string // of this process: "replica:random"
	serial  atomic.Int64
	ttl     time.Duration
	call    time.Duration // limit of one request to one master
	front   *Local        // one caller for each key and process asks the masters
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
		// Its vote would count twice.
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

// Close ends every wait and the leases still held, and gives what is being
// cleaned up a last try.
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
	// The front is left with the grant and not with the release, lest one
	// process pass the key around inside while others wait.
	defer r.front.leaveAll(keys)

	h := &redlockHolder{redlock: r, attempts: make(map[string]*redlockAttempt)}
	l := newLease(r.workers.life, h, r.ttl)
	if err := h.take(ctx, l, keys); err != nil {
		_ = l.Release(ctx) // what it could not settle is settled in the background
		return nil, err
	}
	return l, nil
}

// heardLately reports whether a quorum has answered within the TTL: who held a
// key then may hold it still.
func (r *Redlock) heardLately() bool {
	heard := r.heard.Load()
	return heard != nil && time.Since(*heard) < r.ttl
}

// hear notes how many masters have answered.
func (r *Redlock) hear(answers int) {
	if now := time.Now(); answers >= r.quorum {
		r.heard.Store(&now)
	}
}

// owner returns a new name for one attempt, "replica:process:number". No two
// attempts have the same: what is still on its way for one, be it a grant or
// its undoing, must not touch another's.
func (r *Redlock) owner() string {
	return r.name + ":" + strconv.FormatInt(r.serial.Add(1), 10)
}
