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

// A zkHolder is the keeper of one lease in ZooKeeper.
type zkHolder struct {
	zk      *ZooKeeper
	session *zkSession
	id      string // unique for the lease; its nodes are named by it
}

var _ keeper = (*zkHolder)(nil)

// take takes the keys and adds them to the lease. It enters the queues of all of them at
// once, which takes no longer than one if they are free. It keeps the keys up to the first
// that others hold, leaves the queues behind that one, so as not to hold a key while it waits
// for an earlier one, and waits.
func (h *zkHolder) take(ctx context.Context, l *Lease, keys []string) error {
	// When the session ends, so do the lease, the places in the queues and the watches.
	ctx, stop := l.bound(ctx)
	defer stop()
	for len(keys) > 0 {
		places := h.enterAll(ctx, keys, l.demand)
		free := 0
		for free < len(keys) && places[free].first() {
			free++
		}
		var waited *zkPlace
		if free < len(keys) {
			waited = places[free]
			leaveAll(ctx, places[free+1:])
		}
		for i, p := range places[:free] {
			l.add(p.grant(keys[i]))
			if p.entries != 0 && !p.again {
				h.zk.watch(p, l.demand)
			}
		}
		keys = keys[free:]
		if waited == nil {
			break
		}
		// Others may have queued behind it: the queue of a place that had to wait is not
		// watched.
		l.demand.tell()
		if err := waited.wait(ctx); err != nil {
			err = h.takeError(ctx, err, waited, l)
			waited.leave(ctx)
			return err
		}
		l.add(waited.grant(keys[0]))
		keys = keys[1:]
	}
	return l.Check(0)
}

// enterAll enters the queues of all keys at once. Each place has its own error in err.
func (h *zkHolder) enterAll(ctx context.Context, keys []string, d *demand) []*zkPlace {
	places := make([]*zkPlace, len(keys))
	var group sync.WaitGroup
	for i, key := range keys {
		p := &zkPlace{zk: h.zk, session: h.session, folder: zkFolder(key), id: h.id}
		places[i] = p
		if i < len(keys)-1 {
			group.Go(func() { p.err = p.enter(ctx, d) })
		} else {
			p.err = p.enter(ctx, d)
		}
	}
	group.Wait()
	return places
}

// leaveAll leaves the queues of all places at once.
func leaveAll(ctx context.Context, places []*zkPlace) {
	var group sync.WaitGroup
	for _, p := range places {
		group.Go(func() { p.leave(ctx) })
	}
	group.Wait()
}

// takeError returns what the failure of a wait means for the whole lease.
func (h *zkHolder) takeError(ctx context.Context, err error, p *zkPlace, l *Lease) error {
	if ctx.Err() != nil {
		_, connected := h.zk.status.current()
		err = waitError(ctx, connected && p.node != "")
	} else if h.session.life.Err() != nil && l.holdsAny() {
		err = errors.Join(ErrLost, err) // which ends ctx, too, a moment later
	}
	if errors.Is(err, ErrLost) && !l.holdsAny() {
		err = errPlaceLost // nothing was held that could be lost
	}
	if errors.Is(err, ErrBusy) || errors.Is(err, ErrLost) || errors.Is(err, ErrUnavailable) {
		return err
	}
	return errors.Join(ErrUnavailable, err)
}

// renew implements keeper. Whatever the client sends keeps the session alive; that a majority
// of the servers has heard of it, and that nobody has deleted the nodes, is confirmed by a
// write. If one was made just now, the word of any single server is enough for the nodes.
func (h *zkHolder) renew(ctx context.Context, held []grant) (time.Duration, error) {
	if _, err := h.zk.status.ready(ctx, h.zk.call); err != nil {
		return 0, err
	}
	ask := h.there
	if !h.session.recently() {
		ask = h.confirmed
	}
	if err := ask(ctx, held); err != nil {
		return 0, err
	}
	// If the session was replaced meanwhile, the answers are about the new one.
	if h.session.life.Err() != nil {
		return 0, ErrLost
	}
	return h.session.trust() - time.Since(h.session.heard()), nil
}

// confirmed has a majority of the servers confirm that the nodes are there.
func (h *zkHolder) confirmed(ctx context.Context, held []grant) error {
	nodes := make([]string, len(held))
	for i, g := range held {
		nodes[i] = g.node
	}
	_, err := zkAwait(ctx, zkStart(h.zk, h.zk.confirm(nodes...)))
	return err
}

// there has a single server say that the nodes are there.
func (h *zkHolder) there(ctx context.Context, held []grant) error {
	answers := make([]<-chan zkAnswer[*zk.Stat], len(held))
	for i, g := range held {
		answers[i] = zkStart(h.zk, h.session.owns(h.zk.conn, g.node))
	}
	for _, answer := range answers {
		if _, err := zkAwait(ctx, answer); err != nil {
			return err
		}
	}
	return nil
}

// release implements keeper.
func (h *zkHolder) release(ctx context.Context, held []grant, lost bool) error {
	places := make([]*zkPlace, len(held))
	answers := make([]<-chan zkAnswer[struct{}], len(held))
	for i, g := range held {
		places[i] = &zkPlace{
			zk: h.zk, session: h.session, folder: path.Dir(g.node), id: h.id, node: g.node, sent: true,
		}
		if lost {
			h.zk.forget(g.node)
			places[i].sweep()
			continue
		}
		answers[i] = zkStart(h.zk, func() (struct{}, error) { return struct{}{}, h.zk.end(g.node) })
	}
	if lost {
		return ErrLost
	}

	ctx, cancel := context.WithTimeout(ctx, h.zk.call)
	defer cancel()
	var unknown error
	for i, answer := range answers {
		switch _, err := zkAwait(ctx, answer); {
		case err == nil:
		case errors.Is(err, zk.ErrNoNode), errors.Is(err, ErrLost):
			lost = true
		default:
			h.zk.forget(held[i].node)
			unknown = fmt.Errorf("delete %s: %w", held[i].node, err)
			places[i].sweep()
		}
	}
	switch {
	case lost:
		return ErrLost
	case unknown != nil:
		return errors.Join(ErrUnknown, unknown)
	}
	return nil
}
