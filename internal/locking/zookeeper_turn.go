package locking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"sync"

	"github.com/go-zookeeper/zk"
)

// look reads the queue to find out what is before the place.
func (p *zkPlace) look(ctx context.Context) error {
	names, err := zkAsk(ctx, p.zk, func() ([]string, error) {
		names, _, err := p.zk.conn.Children(p.folder)
		return names, err
	})
	if err != nil {
		return fmt.Errorf("look at the queue of %s: %w", p.folder, err)
	}
	before, present := zkPredecessor(names, path.Base(p.node))
	// If the session is over by now, so is the node.
	if !present || p.session.life.Err() != nil {
		return fmt.Errorf("%s: %w", p.node, errPlaceLost)
	}
	// The server that says so may be cut off from the others, which may have let another
	// holder in.
	if before == "" && !p.session.recently() {
		if _, err := zkAsk(ctx, p.zk, p.zk.confirm(p.node)); err != nil {
			return fmt.Errorf("confirm the place %s: %w", p.node, err)
		}
	}
	p.before, p.as, p.passed = before, p.session.heard(), false
	return nil
}

// wait waits until the place is the first. It watches only the one before it, so that each
// release wakes one waiter.
//
// The client cannot remove a watch: that of a waiter that gives up stays until the node
// before it is gone.
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

// watch waits until the place before this one is left, and reports whether by a release: then
// that one was the first, and this one is now.
func (p *zkPlace) watch(ctx context.Context) (released bool, err error) {
	before := p.folder + "/" + p.before
	here, stop := p.zk.neighbours.await(before)
	defer stop()
	// GetW and not ExistsW: it sets no watch on a node that is not there.
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

// pass makes the place the first without reading the queue, if the session was heard of
// lately: the servers told of the release within that session. Whether the node still exists,
// and was not deleted by hand, is checked while the holder is at work.
func (p *zkPlace) pass() bool {
	if p.session.life.Err() != nil || !p.session.recently() {
		return false
	}
	p.before, p.as, p.passed = "", p.session.heard(), true
	return true
}

// end releases a place. If nobody else is known to want the key, the place is kept, provided
// its node still exists.
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

// free deletes the node of a place that was the first, and tells the next waiter so: that one
// sees the node's data change, in the transaction that deletes it. When a node is only
// deleted, by a waiter that gives up, by an operator or with its session, the next waiter
// learns no more than that it is gone, and reads the queue.
func (z *ZooKeeper) free(node string) error {
	z.neighbours.tell(node)
	_, err := zkWritten(z, func() ([]zk.MultiResponse, error) {
		return z.conn.Multi(
			&zk.SetDataRequest{Path: node, Version: -1},
			&zk.DeleteRequest{Path: node, Version: -1})
	})()
	return err
}

// zkCause distinguishes a change of the watched node from the end of the session, which fires
// all watches.
func zkCause(e zk.Event) wakeCause {
	if e.Type == zk.EventNotWatching {
		return wakeReconnect
	}
	return wakeTurn
}

// zkNeighbours are the places of one process that wait for another place of the same process.
// They need not wait for the servers: there is nobody between the two, and until both are
// gone nobody else can be the first.
type zkNeighbours struct {
	mu      sync.Mutex
	waiting map[string]chan struct{} // by the node that they wait for
}

// await returns a channel that is closed when this process releases the node before. The
// caller must call stop.
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

// tell tells the waiter for the node, if there is one, that it is released.
func (n *zkNeighbours) tell(node string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if c, waits := n.waiting[node]; waits {
		close(c)
		delete(n.waiting, node)
	}
}
