package locking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/go-zookeeper/zk"
)

// A zkHolder is one lease's side of the locks in ZooKeeper.
type zkHolder struct {
	zk      *ZooKeeper
	session *zkSession
	id      string // unique for the lease; its nodes are named by it
}

var _ keeper = (*zkHolder)(nil)

// take puts the keys into the lease, one after the other.
func (h *zkHolder) take(ctx context.Context, l *Lease, keys []string) error {
	// With the session go the lease, the places in the queues and the watches.
	ctx, stop := l.bound(ctx)
	defer stop()
	for i, key := range keys {
		p := &zkPlace{zk: h.zk, folder: zkFolder(key), id: h.id}
		g, err := h.queue(ctx, p)
		if err == nil {
			g.key = key
			l.add(g)
			continue
		}
		if ctx.Err() != nil {
			_, connected := h.zk.status.current()
			err = waitError(ctx, connected && p.node != "")
		}
		if i == 0 && errors.Is(err, ErrLost) {
			err = errPlaceLost // nothing was held that could be lost
		}
		p.leave(ctx)
		if errors.Is(err, ErrBusy) || errors.Is(err, ErrLost) || errors.Is(err, ErrUnavailable) {
			return err
		}
		return errors.Join(ErrUnavailable, err)
	}
	return l.Check(0)
}

// queue makes the node and waits until it is first in its folder.
func (h *zkHolder) queue(ctx context.Context, p *zkPlace) (grant, error) {
	if err := p.enter(ctx, h.zk.owner); err != nil {
		return grant{}, fmt.Errorf("enter the queue of %s: %w", p.folder, err)
	}
	for {
		gone, err := p.predecessor(ctx)
		if err != nil {
			return grant{}, fmt.Errorf("look at the queue of %s: %w", p.folder, err)
		}
		if gone == nil {
			break
		}
		select {
		case <-gone:
		case <-ctx.Done():
			return grant{}, context.Cause(ctx)
		}
	}

	// Being first is not enough: the node may be one of a session that is over,
	// found again after its reply was lost.
	sent := time.Now()
	stat, err := zkAsk(ctx, h.zk, h.owned(p.node))
	if err != nil {
		return grant{}, fmt.Errorf("confirm %s: %w", p.node, err)
	}
	return grant{
		node: p.node, token: stat.Czxid, until: sent.Add(trusted(h.session.timeout())),
	}, nil
}

// owned returns the request for a node that must be there and the session's.
// ErrLost says that it is not.
func (h *zkHolder) owned(node string) func() (*zk.Stat, error) {
	return func() (*zk.Stat, error) {
		exists, stat, err := h.zk.conn.Exists(node)
		if err != nil {
			return nil, err
		}
		if !exists || stat.EphemeralOwner != h.session.id {
			return nil, ErrLost
		}
		return stat, nil
	}
}

// renew implements keeper. The session lives by whatever the client sends;
// asking for the nodes tells that the servers have heard it, and that nobody
// has deleted them.
func (h *zkHolder) renew(ctx context.Context, held []grant) (time.Duration, error) {
	if _, err := h.zk.status.ready(ctx, h.zk.call); err != nil {
		return 0, err
	}
	answers := make([]<-chan zkAnswer[*zk.Stat], len(held))
	for i, g := range held {
		answers[i] = zkStart(h.zk, h.owned(g.node))
	}
	for _, answer := range answers {
		if _, err := zkAwait(ctx, answer); err != nil {
			return 0, err
		}
	}
	// Were it another session by now, it would be that one's life they tell of.
	if h.session.life.Err() != nil {
		return 0, ErrLost
	}
	return h.session.timeout(), nil
}

// release implements keeper.
func (h *zkHolder) release(ctx context.Context, held []grant, lost bool) error {
	places := make([]*zkPlace, len(held))
	answers := make([]<-chan zkAnswer[struct{}], len(held))
	for i, g := range held {
		places[i] = &zkPlace{
			zk: h.zk, folder: path.Dir(g.node), id: h.id, node: g.node, session: h.session,
		}
		if lost {
			places[i].sweep()
			continue
		}
		answers[i] = zkStart(h.zk, func() (struct{}, error) {
			return struct{}{}, h.zk.conn.Delete(g.node, -1)
		})
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
		case errors.Is(err, zk.ErrNoNode):
			lost = true
		default:
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
