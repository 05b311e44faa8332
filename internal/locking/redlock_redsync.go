package locking

import (
	"context"
	"errors"
	"time"

	"github.com/go-redsync/redsync/v4"
	quorum "github.com/go-redsync/redsync/v4/redis"
)

// redsync asks all masters at once and counts: it goes on as soon as a quorum has granted or
// refused, so that a master that hangs delays nobody. What it asks is ours: the connections
// of this file run our own scripts, record what becomes of each lock on each master, and are
// not cut short.

// newMutex returns a mutex for one lock, for a single attempt.
func (r *Redlock) newMutex(lock, owner string) *redsync.Mutex {
	return r.sync.NewMutex(lock,
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

// A redlockPool connects redsync to one master.
type redlockPool struct{ node *redlockNode }

// Get implements redis.Pool. ctx carries the round that the request is part of. redsync
// cancels ctx once it has enough answers; the request goes on, so that its outcome is known
// and its connection stays usable.
func (p redlockPool) Get(ctx context.Context) (quorum.Conn, error) {
	return redlockConn{ctx: context.WithoutCancel(ctx), round: roundOf(ctx), node: p.node}, nil
}

// A redlockConn is one request from redsync to one master.
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

// redsync's own scripts can be told apart by their number of arguments: the key and the
// value, and for the one that extends a lock also the time.
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
		// The attempt has failed; try, which made it, gives back what it took.
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
