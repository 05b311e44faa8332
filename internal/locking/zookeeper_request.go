package locking

import (
	"context"
	"errors"
	"time"

	"github.com/go-zookeeper/zk"
)

// A zkAnswer is what a request to the servers came to.
type zkAnswer[T any] struct {
	value T
	err   error
}

// zkStart makes a request in a goroutine: the client's calls take no context
// and can hang until the connection, or the client, is closed.
func zkStart[T any](z *ZooKeeper, request func() (T, error)) <-chan zkAnswer[T] {
	answer := make(chan zkAnswer[T], 1)
	send := func() {
		value, err := request()
		answer <- zkAnswer[T]{value, err}
	}
	if !z.workers.run(send) {
		answer <- zkAnswer[T]{err: errClosed}
	}
	return answer
}

// zkAwait waits for an answer until ctx ends.
func zkAwait[T any](ctx context.Context, answer <-chan zkAnswer[T]) (T, error) {
	select {
	case a := <-answer:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

// zkAsk makes a request that may be repeated, once there is a connection, and
// repeats it once if that is dropped. It returns when ctx ends, or the limit
// of one request is over.
func zkAsk[T any](ctx context.Context, z *ZooKeeper, request func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, z.call)
	defer cancel()
	for try := 0; ; try++ {
		if _, err := z.status.ready(ctx, z.call); err != nil {
			var none T
			return none, err
		}
		value, err := zkAwait(ctx, zkStart(z, request))
		if try > 0 || !errors.Is(err, zk.ErrConnectionClosed) {
			return value, err
		}
	}
}

// zkWritten returns the request for a change, which notes that the servers have heard
// of the session. Only most of them together can make one. One that is cut off from
// the others answers what it is asked, for seconds in which those end the session and
// let the next one in.
func zkWritten[T any](z *ZooKeeper, change func() (T, error)) func() (T, error) {
	return func() (T, error) {
		s, _ := z.status.current()
		asked := time.Now()
		value, err := change()
		if s != nil && err == nil {
			s.hear(asked)
		}
		return value, err
	}
}

// confirm returns the request that has most of the servers say that nodes are there:
// a change of nothing. ErrLost says that one is not.
func (z *ZooKeeper) confirm(nodes ...string) func() (struct{}, error) {
	return zkWritten(z, func() (struct{}, error) {
		var there []any
		for _, node := range nodes {
			there = append(there, &zk.CheckVersionRequest{Path: node, Version: -1})
		}
		_, err := z.conn.Multi(there...)
		if errors.Is(err, zk.ErrNoNode) {
			err = ErrLost
		}
		return struct{}{}, err
	})
}
