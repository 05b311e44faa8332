package locking

import (
	"context"
	"errors"
	"time"

	"github.com/go-zookeeper/zk"
)

// A zkAnswer is the result of a request to the servers.
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

// zkAsk makes a request that may be repeated, once there is a connection, and repeats it once
// if the connection is dropped. It returns when ctx ends, or the time limit of one request is
// over.
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

// zkWritten returns a request for a write that also records that the servers have heard of
// the session. Only a majority of them can make a write. A server that is cut off from the
// others goes on answering reads, for seconds in which the others end the session and let the
// next holder in.
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

// confirm returns a request by which a majority of the servers confirms that nodes are there:
// a write that changes no data. ErrLost means that one is not.
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
