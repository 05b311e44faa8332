package locking

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkKeepFor is how long after a release a process keeps its place in a queue in which nobody
// else is: its next lease then costs one durable write instead of two. If the process dies in
// that time, a caller that comes meanwhile has to wait for the session to end, as if the
// process had died while it held the key.
const zkKeepFor = 20 * time.Millisecond

// A zkKept is a place that was found alone in its queue, for as long as it is alone there.
type zkKept struct {
	session      *zkSession
	folder, node string

	// Guarded by the keeping's mutex.
	entries int32       // into the queue so far: the version of the folder, which each entry increments
	demand  *demand     // of the lease that holds the place
	wanted  bool        // another place has entered the queue
	timer   *time.Timer // of a place that no lease holds
}

// A zkKeeping has the places that one process keeps, or may keep.
type zkKeeping struct {
	mu   sync.Mutex
	all  map[string]*zkKept // by node
	idle map[string]*zkKept // by folder: those that no lease holds
}

// watch starts to watch the queue of a place that was alone in it. When others enter, share
// notifies the holder, or frees the place if it is merely kept.
func (z *ZooKeeper) watch(p *zkPlace, d *demand) {
	k := &zkKept{session: p.session, folder: p.folder, node: p.node, entries: p.entries, demand: d}
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	if z.keeping.all == nil {
		z.keeping.all, z.keeping.idle = map[string]*zkKept{}, map[string]*zkKept{}
	}
	z.keeping.all[k.node] = k
	z.workers.run(func() {
		names, _, changed, err := z.conn.ChildrenW(k.folder)
		if err == nil && len(names) == 1 {
			select {
			case <-changed: // at the latest when the node itself is deleted
			case <-k.session.life.Done():
			}
		}
		z.share(k)
	})
}

// share makes way for others in the queue: it frees the place if no lease holds it, else it
// notifies the holder.
func (z *ZooKeeper) share(k *zkKept) {
	z.keeping.mu.Lock()
	k.wanted = true
	k.demand.tell()
	idle := z.keeping.idle[k.folder] == k
	if idle {
		z.keeping.drop(k)
	}
	z.keeping.mu.Unlock()
	if idle {
		z.giveUp(k)
	}
}

// giveUp frees a place that no lease holds.
func (z *ZooKeeper) giveUp(k *zkKept) {
	ctx, cancel := context.WithTimeout(k.session.life, z.call)
	defer cancel()
	free := func() (struct{}, error) { return struct{}{}, z.free(k.node) }
	if _, err := zkAwait(ctx, zkStart(z, free)); err != nil {
		z.kept(k).sweep() // the node may be gone already; then there is nothing to do
	}
}

// kept returns k as a place.
func (z *ZooKeeper) kept(k *zkKept) *zkPlace {
	return &zkPlace{zk: z, session: k.session, folder: k.folder, node: k.node, sent: true}
}

// alone returns the place of a node if it may be kept: nobody else is known to be in its
// queue. It returns nil if the place has to be freed.
func (z *ZooKeeper) alone(node string) *zkKept {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	k, alone := z.keeping.all[node]
	// A negative version cannot be used: -1 would match any.
	if alone && (k.wanted || k.entries < 0 || k.session.life.Err() != nil) {
		z.keeping.drop(k)
		return nil
	}
	return k
}

// keep keeps a place that no lease holds any more, unless others want it, and reports whether
// it did.
func (z *ZooKeeper) keep(k *zkKept) bool {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	// The release may have timed out, and have left the place to sweep.
	if k.wanted || z.keeping.all[k.node] != k {
		z.keeping.drop(k)
		return false
	}
	k.demand = nil
	z.keeping.idle[k.folder] = k
	k.timer = time.AfterFunc(zkKeepFor, func() {
		z.keeping.mu.Lock()
		mine := z.keeping.idle[k.folder] == k
		if mine {
			z.keeping.drop(k)
		}
		z.keeping.mu.Unlock()
		if mine {
			z.workers.run(func() { z.giveUp(k) })
		}
	})
	return true
}

// forget makes sure that a place that is left in any other way is not kept.
func (z *ZooKeeper) forget(node string) {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	if k, alone := z.keeping.all[node]; alone {
		z.keeping.drop(k)
	}
}

// drop forgets the place. keeping.mu must be held.
func (keeping *zkKeeping) drop(k *zkKept) {
	delete(keeping.all, k.node)
	if keeping.idle[k.folder] == k {
		delete(keeping.idle, k.folder)
	}
	if k.timer != nil {
		k.timer.Stop()
	}
}

// take returns the place that is kept in a queue, if any, and gives it to a lease with that
// demand.
func (keeping *zkKeeping) take(folder string, s *zkSession, d *demand) (k *zkKept, entries int32) {
	keeping.mu.Lock()
	defer keeping.mu.Unlock()
	k, idle := keeping.idle[folder]
	if !idle {
		return nil, 0
	}
	delete(keeping.idle, folder)
	k.timer.Stop()
	if k.session != s {
		keeping.drop(k) // it went with its session
		return nil, 0
	}
	k.demand = d
	return k, k.entries
}

// took records that the place was used once more.
func (keeping *zkKeeping) took(k *zkKept, entries int32) {
	keeping.mu.Lock()
	defer keeping.mu.Unlock()
	k.entries = entries
	if k.wanted {
		k.demand.tell()
	}
}

// reenter takes the place that the process kept, if nobody has entered the queue since:
// whoever has comes before the caller. The write that makes sure of that also mints the new
// lease's token. It reports false if there is no such place, or somebody has entered.
func (p *zkPlace) reenter(ctx context.Context, d *demand) (bool, error) {
	k, entries := p.zk.keeping.take(p.folder, p.session, d)
	if k == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.zk.call)
	defer cancel()
	asked := time.Now()
	again, err := zkAwait(ctx, zkStart(p.zk, zkWritten(p.zk, func() (zkCreated, error) { return p.zk.again(k, entries) })))
	if err == nil && again.alone && p.session.life.Err() == nil {
		p.zk.keeping.took(k, again.entries)
		p.sent, p.again, p.node, p.token, p.as = true, true, k.node, again.token, asked
		return true, nil
	}
	p.zk.forget(k.node)
	if ctx.Err() != nil {
		p.zk.kept(k).sweep()
		return false, context.Cause(ctx)
	}
	p.zk.workers.run(func() { p.zk.giveUp(k) })
	return false, nil
}

// again counts one more entry, if there was none since, and in the same transaction writes
// the node: the zxid is the token, and operators find it in the node.
func (z *ZooKeeper) again(k *zkKept, entries int32) (zkCreated, error) {
	answers, err := z.conn.Multi(
		&zk.SetDataRequest{Path: k.folder, Version: entries},
		&zk.SetDataRequest{Path: k.node, Data: z.owner, Version: -1})
	if err != nil {
		return zkCreated{}, err
	}
	if len(answers) != 2 || answers[0].Stat == nil {
		return zkCreated{}, fmt.Errorf("unexpected answer to a write: %v", answers)
	}
	return madeIn(k.node, answers[0].Stat), nil
}
