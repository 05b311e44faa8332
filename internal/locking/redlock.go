package locking

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	quorum "github.com/go-redsync/redsync/v4/redis"
)

// redsync asks the masters, all at once, and counts: it goes on as soon as a
// quorum has granted or refused, so that one that hangs delays nobody. What it
// asks is ours. It does so over the connections of this file, which run scripts
// that follow each lock's fate on each master, and do so to the end.

// newMutex returns what asks for one lock, once.
func (r *Redlock) newMutex(lock, owner string) *redsync.Mutex {
	return r.sync.NewMutex(lock,
		redsync.WithTries(1),
		redsync.WithFailFast(true),
		redsync.WithExpiry(r.ttl),
		redsync.WithGenValueFunc(func() (string, error) { return owner, nil }))
}

func newRedsync(nodes []*redlockNode) *redsync.Redsync {
	pools := make([]quorum.Pool, len(nodes))
	for i, node := range nodes {
		pools[i] = redlockPool{node}
	}
	return redsync.New(pools...)
}

// A redlockPool gives redsync its way to one master.
type redlockPool struct{ node *redlockNode }

// Get implements redis.Pool. The round that the request is part of is in ctx.
// redsync cancels ctx once it has seen enough. The request goes on: its outcome
// is to be known, and its connection to stay whole.
func (p redlockPool) Get(ctx context.Context) (quorum.Conn, error) {
	return redlockConn{ctx: context.WithoutCancel(ctx), round: roundOf(ctx), node: p.node}, nil
}

// A redlockConn is one request of redsync's to one master.
type redlockConn struct {
	quorum.Conn // nil: a mutex uses no other methods than those below

	ctx   context.Context
	round *redlockRound
	node  *redlockNode
}

// SetNX implements redis.Conn: it asks for the lock.
func (c redlockConn) SetNX(_, _ string, _ time.Duration) (bool, error) {
	return c.round.ask(c.ctx, c.node, c.round.attempt.acquire)
}

// The number of arguments by which redsync's own scripts can be told apart: the
// key and the value, and to extend also the time.
const (
	redsyncDelete = 2
	redsyncExtend = 3
)

var errRedsync = errors.New("redsync runs a script that is not known")

// Eval implements redis.Conn: it gives the lock back or extends it.
func (c redlockConn) Eval(_ *quorum.Script, keysAndArgs ...any) (any, error) {
	a := c.round.attempt
	var (
		mine bool
		err  error
	)
	switch {
	case len(keysAndArgs) == redsyncExtend:
		mine, err = c.round.ask(c.ctx, c.node, a.renew)
	case len(keysAndArgs) != redsyncDelete:
		err = errRedsync
	case c.round.taking:
		// An attempt has failed. Who made it gives back what it took.
	default:
		mine, err = c.round.ask(c.ctx, c.node, a.release)
	}
	if mine {
		return int64(1), err
	}
	return int64(0), err
}

// Close implements redis.Conn.
func (redlockConn) Close() error { return nil }
