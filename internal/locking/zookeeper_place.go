package locking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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

	sent    bool                       // whether a create was ever sent
	node    string                     // "" while it is not known
	pending <-chan zkAnswer[zkCreated] // a create that nobody waits for any more
	token   int64                      // zxid of the transaction that created the node, or that reused it
	entries int32                      // into the queue so far, if the place is alone in it; else 0
	again   bool                       // whether the process had kept the place
	err     error                      // of entering

	// What is known of the queue.
	before string    // the place before this one; "" if it is the first
	as     time.Time // from when the session's time-out counts: see zkSession.heard
	passed bool      // whether it is first by a notification, and not by reading the queue
}

// A zkCreated is a node that was created, or reused.
type zkCreated struct {
	node    string
	token   int64
	entries int32 // version of the folder
	alone   bool  // whether it was the only one in the folder
}

// madeIn returns a node that was created, or written, in the transaction that gave the folder
// its state.
func madeIn(node string, folder *zk.Stat) zkCreated {
	return zkCreated{node, folder.Mzxid, folder.Version, folder.NumChildren == 1}
}

// first reports whether the place holds its key.
func (p *zkPlace) first() bool { return p.err == nil && p.before == "" }

// grant returns the key as a grant of the lease.
func (p *zkPlace) grant(key string) grant {
	return grant{
		key: key, node: p.node, token: p.token, unconfirmed: p.passed,
		until: p.as.Add(trusted(p.session.trust())),
	}
}

// enter creates the node, unless the process has kept one, and finds out what is before it. A
// node whose create got no reply is looked for by its id before another one is created, under
// another id, as it would otherwise stay and block the queue.
func (p *zkPlace) enter(ctx context.Context, d *demand) error {
	if again, err := p.reenter(ctx, d); again || err != nil {
		return err
	}
	const tries = 4 // a folder to create, a connection to lose, and one to spare
	var err error
	for range tries {
		var alone bool
		alone, err = p.create(ctx)
		switch {
		case err == nil && alone:
			return nil
		case err == nil:
			return p.look(ctx)
		case ctx.Err() != nil || p.pending != nil:
		case errors.Is(err, zk.ErrNoNode):
			err = p.makeFolder(ctx)
		case errors.Is(err, zk.ErrConnectionClosed):
			if err = p.find(ctx, p.session); err == nil && p.node != "" {
				return p.look(ctx)
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

// create creates the node and reports whether it is alone in the folder, and so the first.
func (p *zkPlace) create(ctx context.Context) (alone bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.zk.call)
	defer cancel()
	s, err := p.zk.status.ready(ctx, p.zk.call)
	if err != nil {
		return false, err
	}
	if s != p.session {
		return false, errPlaceLost
	}
	p.sent = true
	asked := time.Now()
	answer := zkStart(p.zk, zkWritten(p.zk, p.make))
	select {
	case a := <-answer:
		if a.err != nil {
			return false, a.err
		}
		p.node, p.token, p.as = a.value.node, a.value.token, asked
		if s.life.Err() != nil {
			return false, errPlaceLost
		}
		if a.value.alone {
			p.entries = a.value.entries
		}
		return a.value.alone, nil
	case <-ctx.Done():
		p.pending = answer
		return false, context.Cause(ctx)
	}
}

// make creates the node and, in the same transaction, writes the folder's data, which stay
// empty: the answer to a create tells only a name, but that to a write also the zxid and how
// many nodes the folder then has. If nobody else is in the queue, this one request is enough.
func (p *zkPlace) make() (zkCreated, error) {
	answers, err := p.zk.conn.Multi(
		&zk.CreateRequest{
			Path: p.folder + "/" + p.id + "-", Data: p.zk.owner, Acl: p.zk.acl, Flags: zk.FlagEphemeralSequential,
		},
		&zk.SetDataRequest{Path: p.folder, Version: -1})
	if err != nil {
		return zkCreated{}, err
	}
	if len(answers) != 2 || answers[1].Stat == nil {
		return zkCreated{}, fmt.Errorf("unexpected answer to a create: %v", answers)
	}
	return madeIn(answers[0].String, answers[1].Stat), nil
}

// find looks for the node by its id. If it finds none, there is almost certainly none: what
// the session sent before has been executed by then, unless a server hung, which reads its
// connections in any order.
//
// A node of the same name that an older session created will vanish with that session, and
// must not be taken for this one's.
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
		switch stat, err := zkAsk(ctx, p.zk, s.owns(p.zk.conn, node)); {
		case err == nil:
			p.node, p.token = node, stat.Czxid
		case !errors.Is(err, ErrLost):
			return err
		}
	}
	return nil
}
