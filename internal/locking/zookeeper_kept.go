package locking

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// zkKeepFor is how long a process keeps its place in a queue in which nobody
// else is, after its release: the next turn is had for one durable write instead
// of two. It is what another who comes meanwhile may have to wait for, if a
// process dies right then, as if it had died while it held the key.
const zkKeepFor = 20 * time.Millisecond

// A zkKept is a place that was found alone in its queue, for as long as it is.
type zkKept struct {
	session      *zkSession
	folder, node string

	// Guarded by the keeping's mutex.
	entries int32       // of the queue so far: the version of the folder, which each entry changes
	demand  *demand     // of the lease that holds the place
	wanted  bool        // somebody else has entered
	timer   *time.Timer // of a place that no lease holds
}

// zkKeeping is what one process keeps, and what it might.
type zkKeeping struct {
	mu   sync.Mutex
	all  map[string]*zkKept // by node
	idle map[string]*zkKept // by folder: those that no lease holds
}

// watch begins to watch the queue of a place that was alone in it, so that the
// holder, or whoever keeps the place, hears of others.
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
			case <-changed: // at the latest when the place itself is left
			case <-k.session.life.Done():
			}
		}
		z.share(k)
	})
}

// share gives way to others: at once if no lease holds the place, else the
// holder is told.
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
		z.kept(k).sweep() // gone, perhaps; then there is nothing to do
	}
}

// kept returns the place that is kept.
func (z *ZooKeeper) kept(k *zkKept) *zkPlace {
	return &zkPlace{zk: z, session: k.session, folder: k.folder, node: k.node, sent: true}
}

// alone returns a place that may be kept: as far as is known, nobody else is in
// its queue. Otherwise it has to be freed.
func (z *ZooKeeper) alone(node string) *zkKept {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	k, alone := z.keeping.all[node]
	// Below 0: -1 would stand for any number.
	if alone && (k.wanted || k.entries < 0 || k.session.life.Err() != nil) {
		z.keeping.drop(k)
		return nil
	}
	return k
}

// keep keeps a place that no lease holds any more, unless others want it.
func (z *ZooKeeper) keep(k *zkKept) bool {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	// The release may have been late, and have left the place to be swept.
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

// forget has a place that is left in any other way not be kept.
func (z *ZooKeeper) forget(node string) {
	z.keeping.mu.Lock()
	defer z.keeping.mu.Unlock()
	if k, alone := z.keeping.all[node]; alone {
		z.keeping.drop(k)
	}
}

// drop forgets the place.
func (keeping *zkKeeping) drop(k *zkKept) {
	delete(keeping.all, k.node)
	if keeping.idle[k.folder] == k {
		delete(keeping.idle, k.folder)
	}
	if k.timer != nil {
		k.timer.Stop()
	}
}

// take returns the place that is kept in a queue, for a lease with that demand.
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

// took notes that the place was had once more.
func (keeping *zkKeeping) took(k *zkKept, entries int32) {
	keeping.mu.Lock()
	defer keeping.mu.Unlock()
	k.entries = entries
	if k.wanted {
		k.demand.tell()
	}
}

// reenter has the place that the process kept, if nobody has entered the queue
// since: whoever has is before the caller. The change that says so gives the new
// turn its token. It reports false if there is no such place, or not any more.
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

// again counts one more entry, if there was none since, and lets the node be
// changed by it: the number of that change is the token, for operators to see.
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
