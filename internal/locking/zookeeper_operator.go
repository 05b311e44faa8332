package locking

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/go-zookeeper/zk"
)

// Inspect implements Inspector. Since is when the holder entered the queue, or reused the
// place that its process had kept. A place that is kept looks held for a moment after its
// release.
func (z *ZooKeeper) Inspect(ctx context.Context, key string) (Status, error) {
	folder := zkFolder(key)
	for {
		var s Status
		names, err := zkAsk(ctx, z, func() ([]string, error) {
			names, _, err := z.conn.Children(folder)
			return names, err
		})
		holder := zkFirst(names)
		if errors.Is(err, zk.ErrNoNode) || err == nil && holder == "" {
			return s, nil
		}
		if err == nil {
			s.Waiters = len(names) - 1
			_, err = zkAsk(ctx, z, func() (struct{}, error) {
				data, stat, err := z.conn.Get(folder + "/" + holder)
				if err == nil {
					// Another lease may reuse the place: each changes the version.
					s.Owner = fmt.Sprintf("%s:%s#%d", data, holder, stat.Version)
					s.Since, s.Token = time.UnixMilli(stat.Mtime), stat.Mzxid
				}
				return struct{}{}, err
			})
		}
		switch {
		case err == nil:
			return s, nil
		case !errors.Is(err, zk.ErrNoNode): // it left just now: look again
			return Status{}, errors.Join(ErrUnavailable, err)
		}
	}
}

// NextToken implements Evictor. The waiters behind a holder have their tokens already, and
// larger ones.
func (z *ZooKeeper) NextToken(ctx context.Context, key string) (int64, error) {
	holder, err := z.Inspect(ctx, key)
	if err != nil {
		return 0, err
	}
	if holder.Owner != "" {
		return holder.Token + 1, nil
	}
	// Nobody holds it: any write's zxid will do.
	stat, err := zkAsk(ctx, z, func() (*zk.Stat, error) { return z.conn.Set(zkRoot, nil, -1) })
	if errors.Is(err, zk.ErrNoNode) {
		p := &zkPlace{zk: z, folder: zkFolder(key)}
		if err = p.makeFolder(ctx); err == nil {
			return z.NextToken(ctx, key)
		}
	}
	if err != nil {
		return 0, errors.Join(ErrUnavailable, fmt.Errorf("mint a token: %w", err))
	}
	return stat.Mzxid, nil
}

// Evict implements Evictor.
func (z *ZooKeeper) Evict(ctx context.Context, key, owner string) (bool, error) {
	name, turn, _ := strings.Cut(owner[strings.LastIndex(owner, ":")+1:], "#")
	node := zkFolder(key) + "/" + name
	var version int32
	if n, _ := fmt.Sscan(turn, &version); n != 1 || path.Dir(node) != zkFolder(key) {
		return false, nil
	}
	_, err := zkAsk(ctx, z, func() (struct{}, error) { return struct{}{}, z.conn.Delete(node, version) })
	switch {
	case errors.Is(err, zk.ErrNoNode), errors.Is(err, zk.ErrBadVersion):
		return false, nil
	case err != nil:
		return false, errors.Join(ErrUnavailable, fmt.Errorf("evict: %w", err))
	}
	return true, nil
}
