package locking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// look finds out what is before the place.
func (p *zkPlace) look(ctx context.Context) error {
	names, err := zkAsk(ctx, p.zk, func() ([]string, error) {
		names, _, err := p.zk.conn.Children(p.folder)
		return names, err
	})
	if err != nil {
		return fmt.Errorf("look at the queue of %s: %w", p.folder, err)
	}
	before, present := zkPredecessor(names, path.Base(p.node))
	// Were the session over by now, the node would be, too.
	if !present || p.session.life.Err() != nil {
		return fmt.Errorf("%s: %w", p.node, errPlaceLost)
	}
	// Who says so may be cut off from the other servers, which may have let others in.
	if before == "" && time.Since(p.session.heard()) > p.session.timeout()/4 {
		if _, err := zkAsk(ctx, p.zk, p.zk.confirm(p.node)); err != nil {
			return fmt.Errorf("confirm the place %s: %w", p.node, err)
		}
	}
	p.before, p.as, p.passed = before, p.session.heard(), false
	return nil
}

// wait waits until the place is the first. It watches the one before it alone,
// so that each release wakes one waiter.
//
// The client cannot take a watch back: that of a waiter who leaves stays until
// the place before it is left.
func (p *zkPlace) wait(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	for p.before != "" {
		released, err := p.watch(ctx)
		if err != nil {
			return err
		}
		if released && p.pass() {
			return nil
		}
		if err := p.look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// watch waits until the place before this one is left, and reports whether by a
// release: who released it was the first, and so this one is now.
func (p *zkPlace) watch(ctx context.Context) (released bool, err error) {
	before := p.folder + "/" + p.before
	here, stop := p.zk.neighbours.await(before)
	defer stop()
	// Get and not exists: it sets no watch on a node that is not there.
	gone, err := zkAsk(ctx, p.zk, func() (<-chan zk.Event, error) {
		_, _, gone, err := p.zk.conn.GetW(before)
		return gone, err
	})
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("watch the queue of %s: %w", p.folder, err)
	}
	select {
	case <-here:
		p.zk.count(wakeTurn)
		return true, nil
	case e := <-gone:
		p.zk.count(zkCause(e))
		return e.Type == zk.EventNodeDataChanged, nil
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
}

// pass makes the place the first, without a look, if the session was heard of
// lately: the servers told of the release within it. That the node is still
// there, and nobody has deleted it by hand, is asked while the holder is at work.
func (p *zkPlace) pass() bool {
	heard := p.session.heard()
	if p.session.life.Err() != nil || time.Since(heard) > p.session.timeout()/4 {
		return false
	}
	p.before, p.as, p.passed = "", heard, true
	return true
}

// end ends a turn. Where nobody else is known to want the key the place is kept,
// if it is still there.
func (z *ZooKeeper) end(node string) error {
	if k := z.alone(node); k != nil {
		if _, err := k.session.owns(z.conn, node)(); err != nil {
			z.forget(node)
			return err
		}
		if z.keep(k) {
			return nil
		}
	}
	return z.free(node)
}

// free deletes the node of a place that was the first, and tells whoever is next
// that it was: they see its data change, in the same change in which it goes. Of a
// node that is only deleted, by a waiter who leaves, by an operator or with its
// session, they learn no more than that it is gone, and look.
func (z *ZooKeeper) free(node string) error {
	z.neighbours.tell(node)
	_, err := zkWritten(z, func() ([]zk.MultiResponse, error) {
		return z.conn.Multi(
			&zk.SetDataRequest{Path: node, Version: -1},
			&zk.DeleteRequest{Path: node, Version: -1})
	})()
	return err
}

// zkCause tells a turn from the loss of the connection, which fires all watches.
func zkCause(e zk.Event) wakeCause {
	if e.Type == zk.EventNotWatching {
		return wakeReconnect
	}
	return wakeTurn
}

// zkNeighbours are the places of one process that wait for another of its own.
// They need not wait for the servers: between the two there is nobody, and until
// both are gone nobody else can be the first.
type zkNeighbours struct {
	mu      sync.Mutex
	waiting map[string]chan struct{} // by the node before theirs
}

// await returns what is closed when the node before is released in this process.
// The caller must call stop.
func (n *zkNeighbours) await(before string) (released <-chan struct{}, stop func()) {
	c := make(chan struct{})
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.waiting == nil {
		n.waiting = map[string]chan struct{}{}
	}
	n.waiting[before] = c
	return c, func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.waiting[before] == c {
			delete(n.waiting, before)
		}
	}
}

// tell tells whoever waits for the node that it is released.
func (n *zkNeighbours) tell(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, waits := n.waiting[node]; waits {
		close(c)
		delete(n.waiting, node)
	}
}
