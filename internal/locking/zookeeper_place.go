package locking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// A zkPlace is a place in the queue of one key: an ephemeral node, numbered by
// the server.
type zkPlace struct {
	zk      *ZooKeeper
	session *zkSession // the lease's; the node goes with it
	folder  string
	id      string // names the node before its number is known

	sent    bool                    // whether a create ever was
	node    string                  // "" while it is not known
	pending <-chan zkAnswer[string] // a create that nobody waits for any more
	err     error                   // of entering

	// What the latest look at the queue has shown.
	before string    // the place before this one; "" if it is the first
	token  int64     // if it is the first
	looked time.Time // when the look began
}

// A zkListing is who is in a queue, and the folder's own state.
type zkListing struct {
	names []string
	stat  *zk.Stat
	asked time.Time
}

// first reports whether the key is this place's.
func (p *zkPlace) first() bool { return p.err == nil && p.before == "" }

// grant returns the key as a grant of the lease.
func (p *zkPlace) grant(key string) grant {
	return grant{
		key: key, node: p.node, token: p.token,
		until: p.looked.Add(trusted(p.session.timeout())),
	}
}

// enter makes the node and looks at the queue. A create whose reply was lost is
// looked for by its id before another one is made, under another, lest it stay
// and block the queue.
func (p *zkPlace) enter(ctx context.Context) error {
	const tries = 4 // a folder to make, a connection to lose, and one to spare
	var err error
	for range tries {
		var listing *zkListing
		listing, err = p.create(ctx)
		if err == nil {
			return p.look(ctx, listing)
		}
		switch {
		case ctx.Err() != nil || p.pending != nil:
		case errors.Is(err, zk.ErrNoNode):
			err = p.makeFolder(ctx)
		case errors.Is(err, zk.ErrConnectionClosed):
			if err = p.find(ctx, p.session); err == nil && p.node != "" {
				return p.look(ctx, nil)
			}
			if err == nil {
				lost := *p
				lost.sweep()
				p.id = rand.Text()
			}
		}
		if err != nil {
			return fmt.Errorf("enter the queue of %s: %w", p.folder, err)
		}
	}
	return fmt.Errorf("enter the queue of %s: its folder vanished again and again", p.folder)
}

// create makes the node. Right behind the request for it goes the one for the
// queue, whose answer saves a round trip if it has the node.
func (p *zkPlace) create(ctx context.Context) (*zkListing, error) {
	ctx, cancel := context.WithTimeout(ctx, p.zk.call)
	defer cancel()
	s, err := p.zk.status.ready(ctx, p.zk.call)
	if err != nil {
		return nil, err
	}
	if s != p.session {
		return nil, errPlaceLost
	}
	p.sent = true
	listing := make(chan zkAnswer[*zkListing], 1)
	answer := zkStart(p.zk, func() (string, error) {
		// Started here, it runs when this request is on its way.
		p.zk.crew.run(func() {
			l, err := p.list()
			listing <- zkAnswer[*zkListing]{l, err}
		})
		return p.zk.conn.Create(p.folder+"/"+p.id+"-", p.zk.owner, zk.FlagEphemeralSequential,
			p.zk.acl)
	})
	select {
	case a := <-answer:
		if p.node = a.value; a.err != nil {
			return nil, a.err
		}
	case <-ctx.Done():
		p.pending = answer
		return nil, context.Cause(ctx)
	}
	l, err := zkAwait(ctx, listing)
	if err != nil {
		return nil, nil // the node is there: it will be looked at again
	}
	return l, nil
}

// find looks for the node by its id. That it finds none is nearly certain: what
// the session sent before has been done by then, unless a server hung, which
// reads its connections in any order.
//
// A node of the same name that an older session made will vanish with that
// session, and must not be taken for this one's.
func (p *zkPlace) find(ctx context.Context, s *zkSession) error {
	names, err := zkAsk(ctx, p.zk, func() ([]string, error) {
		// A server that is behind the others catches up first.
		if _, err := p.zk.conn.Sync(p.folder); err != nil {
			return nil, err
		}
		names, _, err := p.zk.conn.Children(p.folder)
		return names, err
	})
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	p.node = ""
	for _, name := range names {
		if !strings.HasPrefix(name, p.id+"-") {
			continue
		}
		node := p.folder + "/" + name
		switch _, err := zkAsk(ctx, p.zk, s.owns(p.zk.conn, node)); {
		case err == nil:
			p.node = node
		case !errors.Is(err, ErrLost):
			return err
		}
	}
	return nil
}

func (p *zkPlace) list() (*zkListing, error) {
	asked := time.Now()
	names, stat, err := p.zk.conn.Children(p.folder)
	return &zkListing{names, stat, asked}, err
}

// look finds out where in the queue the place is, from the listing if that is
// good for it.
//
// The token is the number of the latest change of the queue (pzxid) at the
// moment at which the place is seen to be first. Whoever was first before left
// by a later change than they had seen, so that tokens grow. The number of the
// change that made the node (czxid) would not do for all purposes: that of a
// waiter is older than the order to fence the holder before it.
func (p *zkPlace) look(ctx context.Context, l *zkListing) error {
	for try := 0; ; try++ {
		if l == nil {
			var err error
			if l, err = zkAsk(ctx, p.zk, p.list); err != nil {
				return fmt.Errorf("look at the queue of %s: %w", p.folder, err)
			}
		}
		before, present := zkPredecessor(l.names, path.Base(p.node))
		if present {
			p.before, p.token, p.looked = before, l.stat.Pzxid, l.asked
			// Were the session over by now, the node would be, too.
			if p.session.life.Err() != nil {
				return errPlaceLost
			}
			return nil
		}
		if try > 0 {
			return fmt.Errorf("%s: %w", p.node, errPlaceLost)
		}
		l = nil // it may be older than the node
	}
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
		// Get and not exists: it sets no watch on a node that is not there.
		gone, err := zkAsk(ctx, p.zk, func() (<-chan zk.Event, error) {
			_, _, gone, err := p.zk.conn.GetW(p.folder + "/" + p.before)
			return gone, err
		})
		switch {
		case errors.Is(err, zk.ErrNoNode):
		case err != nil:
			return fmt.Errorf("watch the queue of %s: %w", p.folder, err)
		default:
			select {
			case e := <-gone:
				p.zk.count(zkCause(e))
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if err := p.look(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// zkCause tells a turn from the loss of the connection, which fires all watches.
func zkCause(e zk.Event) wakeCause {
	if e.Type == zk.EventNotWatching {
		return wakeReconnect
	}
	return wakeTurn
}
