package locking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"time"

	"github.com/go-zookeeper/zk"
)

// leave deletes the node, in the background if it cannot be done at once.
func (p *zkPlace) leave(ctx context.Context) {
	if !p.sent {
		return
	}
	p.zk.forget(p.node)
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

// sweep deletes the node in the background, after finding it if need be. It gives up only
// when the node is gone with its session; Close ends the session, too.
func (p *zkPlace) sweep() {
	p.zk.workers.run(func() {
		if p.pending != nil {
			a := <-p.pending // answered at the latest when the connection ends
			p.node = a.value.node
		}
		// Not p.session: a request can have been sent in its successor.
		s, _ := p.zk.status.current()
		if s == nil {
			return
		}
		ctx, nothing := context.Background(), false
		for wait := 10 * time.Millisecond; s.life.Err() == nil; wait = min(2*wait, time.Second) {
			var err error
			if p.node == "" {
				err = p.find(ctx, s)
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
				nothing, wait = true, 2*p.zk.call // look once more, later
			}
			pause(s.life, wait)
		}
	})
}

// makeFolder creates the key's folder: a container, which the server deletes once it is
// empty, if the server knows containers.
func (p *zkPlace) makeFolder(ctx context.Context) error {
	makeNode := func(node string, flag int32) error {
		_, err := zkAsk(ctx, p.zk, func() (string, error) {
			if flag == zk.FlagContainer {
				return p.zk.conn.CreateContainer(node, nil, flag, p.zk.acl)
			}
			return p.zk.conn.Create(node, nil, flag, p.zk.acl)
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
	// The client has no error of its own for an unknown kind of request, which is what an old
	// server reports.
	return makeNode(p.folder, zk.FlagPersistent)
}
