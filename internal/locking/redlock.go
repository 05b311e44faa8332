package locking

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	quorum "github.com/go-redsync/redsync/v4/redis"
)

// redsync asks the masters, all at once, and counts. What it asks them is ours:
// it does so over the connections of this file, which run scripts that follow
// each attempt's fate on each master.

// newMutex returns what asks for one lock, once.
func (r *Redlock) newMutex(lock, owner string) *redsync.Mutex {
	return r.sync.NewMutex(lock,
		redsync.WithTries(1),
		redsync.WithExpiry(r.ttl),
		redsync.WithTimeoutFactor(float64(r.limit)/float64(r.ttl)),
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

// Get implements redis.Pool. The attempt that the request is for is in ctx.
func (p redlockPool) Get(ctx context.Context) (quorum.Conn, error) {
	return redlockConn{ctx: ctx, round: roundOf(ctx), node: p.node}, nil
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
	return c.round.attempt.acquire(c.ctx, c.node)
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
	var ask func(context.Context, *redlockNode) (bool, error)
	switch len(keysAndArgs) {
	case redsyncDelete:
		ask = c.round.attempt.release
	case redsyncExtend:
		ask = c.round.attempt.renew
	default:
		return nil, errRedsync
	}
	mine, err := ask(c.ctx, c.node)
	c.round.count(err == nil, mine)
	if mine {
		return int64(1), err
	}
	return int64(0), err
}

// Close implements redis.Conn.
func (redlockConn) Close() error { return nil }
