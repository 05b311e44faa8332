package fleet

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
)

// Own says which servers, besides its Redis servers, a fork does not share.
type Own struct {
	Masters, Postgres, ZooKeeper bool
	// Ensemble is three ZooKeeper servers instead of one; Sentinel and Cluster
	// keep the locks of mode redis.
	Ensemble, Sentinel, Cluster bool
	// Clock makes the clock of the Redis that keeps the locks, or of the third master,
	// settable.
	Clock bool
}

// clockMaster is the index of the master whose clock can be set.
const clockMaster = 2

// ensembleSize is how many servers an ensemble has: one of them may fail.
const ensembleSize = 3

// Fork returns a fleet with its own Redis servers and database, so that what is broken there
// affects nobody else. It shares the servers that own does not name. name begins the names of
// all that it starts and must be unique. The caller closes the fork before the fleet.
func (f *Fleet) Fork(ctx context.Context, name string, own Own) (_ *Fleet, err error) {
	k := &Fleet{Servers: f.Servers, stack: f.stack, fork: true, orderd: f.orderd, prefix: name + "-"}
	defer func() {
		if err != nil {
			_ = k.Close() // what went wrong before matters more
		}
	}()
	starting, ctx2 := errgroup.WithContext(ctx)
	k.startRedis(ctx2, starting, own)
	if own.Postgres {
		starting.Go(func() (err error) { k.Postgres, err = f.stack.Postgres(ctx2, k.prefix+"postgres"); return })
	}
	if own.ZooKeeper {
		starting.Go(func() (err error) { k.ZooKeeper, err = f.stack.ZooKeeper(ctx2, k.prefix+"zookeeper"); return })
	}
	if own.Ensemble {
		starting.Go(func() (err error) {
			k.Ensemble, err = f.stack.ZooKeeperEnsemble(ctx2, k.prefix+"zookeeper", ensembleSize)
			return err
		})
	}
	err = starting.Wait()
	k.mine = k.alone(f)
	if err != nil {
		return nil, err
	}
	url, err := k.Postgres.NewDatabase(ctx, "fork_"+name, "")
	if err != nil {
		return nil, err
	}
	if err := k.prepare(ctx, url); err != nil {
		return nil, err
	}
	return k, nil
}

func (k *Fleet) startRedis(ctx context.Context, starting *errgroup.Group, own Own) {
	starting.Go(func() (err error) { k.Stock, err = k.stack.Redis(ctx, k.prefix+"redis-stock"); return })
	switch {
	case own.Masters:
		for i := range k.Masters {
			starting.Go(func() (err error) {
				name := fmt.Sprintf("%sredis-master-%d", k.prefix, i+1)
				if own.Clock && i == clockMaster {
					k.Masters[i], k.Clock, err = k.stack.RedisWithClock(ctx, name)
				} else {
					k.Masters[i], err = k.stack.Redis(ctx, name)
				}
				return err
			})
		}
	case own.Sentinel:
		starting.Go(func() (err error) { k.Sentinel, err = k.stack.Sentinel(ctx, k.prefix+"redis"); return })
	case own.Cluster:
		starting.Go(func() (err error) { k.Cluster, err = k.stack.RedisCluster(ctx, k.prefix+"redis"); return })
	case own.Clock:
		starting.Go(func() (err error) {
			k.Locks, k.Clock, err = k.stack.RedisWithClock(ctx, k.prefix+"redis-locks")
			return
		})
	default:
		starting.Go(func() (err error) { k.Locks, err = k.stack.Redis(ctx, k.prefix+"redis-locks"); return })
	}
}

// alone lists the servers that the fork does not share with f.
func (k *Fleet) alone(f *Fleet) []*stack.Process {
	var mine []*stack.Process
	shared := append(f.lockRedis(), f.Stock)
	for _, r := range append(k.lockRedis(), k.Stock) {
		if r != nil && !slices.Contains(shared, r) {
			mine = append(mine, r.Process)
		}
	}
	if k.Sentinel != nil {
		for _, s := range k.Sentinel.Sentinels {
			mine = append(mine, s.Process)
		}
	}
	if k.Postgres != nil && k.Postgres != f.Postgres {
		mine = append(mine, k.Postgres.Process)
	}
	for _, z := range append(k.zooKeepers(), k.ZooKeeper) {
		if z != nil && z != f.ZooKeeper && !slices.Contains(mine, z.Process) {
			mine = append(mine, z.Process)
		}
	}
	return mine
}
