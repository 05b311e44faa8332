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
	zk     *ZooKeeper
	folder string
	id     string // names the node before its number is known

	node    string                  // "" while it is not known
	session *zkSession              // the session that the node goes with
	pending <-chan zkAnswer[string] // a create that nobody waits for any more
}

// enter makes the node. A create whose reply was lost is looked for by its id
// before another one is made, under another, lest it stay and block the queue.
func (p *zkPlace) enter(ctx context.Context, data []byte) error {
	const tries = 4 // a folder to make, a connection to lose, and one to spare
	var err error
	for range tries {
		if err = p.create(ctx, data); err == nil {
			return nil
		}
		switch {
		case ctx.Err() != nil || p.pending != nil:
			return err
		case errors.Is(err, zk.ErrNoNode):
			err = p.makeFolder(ctx)
		case errors.Is(err, zk.ErrConnectionClosed):
			if err = p.find(ctx); err == nil && p.node != "" {
				return nil
			}
			if err == nil {
				lost := *p
				lost.sweep()
				p.id = rand.Text()
			}
		}
		if err != nil {
			return err
		}
	}
	return errors.New("the queue's folder vanished again and again")
}

func (p *zkPlace) create(ctx context.Context, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.zk.call)
	defer cancel()
	s, err := p.zk.status.ready(ctx, p.zk.call)
	if err != nil {
		return err
	}
	p.session = s
	answer := zkStart(p.zk, func() (string, error) {
		return p.zk.conn.Create(p.folder+"/"+p.id+"-", data, zk.FlagEphemeralSequential,
			zk.WorldACL(zk.PermAll))
	})
	select {
	case a := <-answer:
		p.node = a.value
		return a.err
	case <-ctx.Done():
		p.pending = answer
		return context.Cause(ctx)
	}
}

// makeFolder makes the folder, of the kind that the server deletes once it is
// empty, if the server knows that kind.
func (p *zkPlace) makeFolder(ctx context.Context) error {
	makeNode := func(node string, flag int32) error {
		_, err := zkAsk(ctx, p.zk, func() (string, error) {
			if flag == zk.FlagContainer {
				return p.zk.conn.CreateContainer(node, nil, flag, zk.WorldACL(zk.PermAll))
			}
			return p.zk.conn.Create(node, nil, flag, zk.WorldACL(zk.PermAll))
		})
		if err == nil || errors.Is(err, zk.ErrNodeExists) {
			return nil
		}
		return fmt.Errorf("make %s: %w", node, err)
	}
	for _, parent := range []string{path.Dir(zkRoot), zkRoot} {
		if err := makeNode(parent, zk.FlagPersistent); err != nil {
			return err
		}
	}
	err := makeNode(p.folder, zk.FlagContainer)
	if err == nil || ctx.Err() != nil || errors.Is(err, zk.ErrConnectionClosed) {
		return err
	}
	// The client has no name for "unknown kind of request", which is what an
	// old server answers.
	return makeNode(p.folder, zk.FlagPersistent)
}

// find looks for the node by its id. That it finds none is nearly certain: what
// the session sent before has been done by then, unless a server hung, which
// reads its connections in any order.
func (p *zkPlace) find(ctx context.Context) error {
	names, err := zkAsk(ctx, p.zk, func() ([]string, error) {
		// A server that is behind the others catches up first.
		if _, err := p.zk.conn.Sync(p.folder); err != nil {
			return nil, err
		}
		return p.children()
	})
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return err
	}
	p.node = ""
	for _, name := range names {
		if strings.HasPrefix(name, p.id+"-") {
			p.node = p.folder + "/" + name
		}
	}
	return nil
}

func (p *zkPlace) children() ([]string, error) {
	names, _, err := p.zk.conn.Children(p.folder)
	return names, err
}

// predecessor returns a channel that tells when the place before this one is
// left, and nil if there is none. It watches that one alone, so that each
// release wakes one waiter.
//
// The client cannot take a watch back: that of a waiter who leaves stays until
// the place before it is left.
func (p *zkPlace) predecessor(ctx context.Context) (<-chan zk.Event, error) {
	for {
		names, err := zkAsk(ctx, p.zk, p.children)
		if err != nil {
			return nil, err
		}
		before, present := zkPredecessor(names, path.Base(p.node))
		if !present {
			return nil, fmt.Errorf("%s is gone", p.node)
		}
		if before == "" {
			return nil, nil
		}
		// Get and not exists: it sets no watch on a node that is not there.
		gone, err := zkAsk(ctx, p.zk, func() (<-chan zk.Event, error) {
			_, _, gone, err := p.zk.conn.GetW(p.folder + "/" + before)
			return gone, err
		})
		if !errors.Is(err, zk.ErrNoNode) {
			return gone, err
		}
	}
}

// leave deletes the node, in the background if it cannot be done at once.
func (p *zkPlace) leave(ctx context.Context) {
	if p.session == nil {
		return // no create was ever sent
	}
	if _, connected := p.zk.status.current(); connected && p.node != "" {
		if p.remove(context.WithoutCancel(ctx)) == nil {
			return
		}
	}
	p.sweep()
}

// remove deletes the node.
func (p *zkPlace) remove(ctx context.Context) error {
	_, err := zkAsk(ctx, p.zk, func() (struct{}, error) {
		return struct{}{}, p.zk.conn.Delete(p.node, -1)
	})
	if errors.Is(err, zk.ErrNoNode) {
		return nil
	}
	return err
}

// sweep removes the node in the background, after finding it if need be. It
// gives up only when the node is gone with its session; Close ends that too.
func (p *zkPlace) sweep() {
	p.zk.crew.run(func() {
		if p.pending != nil {
			// Ends with the connection at the latest.
			a := <-p.pending
			p.node = a.value
			if p.session, _ = p.zk.status.current(); p.session == nil {
				return
			}
		}
		ctx, nothing := context.Background(), false
		for wait := 10 * time.Millisecond; p.session.life.Err() == nil; wait = min(2*wait, time.Second) {
			var err error
			if p.node == "" {
				err = p.find(ctx)
			}
			switch {
			case err != nil:
			case p.node != "":
				if p.remove(ctx) == nil {
					return
				}
			case nothing:
				return
			default:
				nothing, wait = true, 2*p.zk.call // and then once more
			}
			pause(p.session.life, wait)
		}
	})
}
