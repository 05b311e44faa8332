package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"orderd/internal/stack"
)

// Own says which servers a fork has for itself besides its Redis servers.
type Own struct {
	Masters, Postgres, ZooKeeper bool
}

// Fork returns a fleet with Redis servers and a database of its own, so that
// nothing that is broken there is missed elsewhere. What is not its own it
// shares. name begins the names of all that it starts, and is its alone. The
// caller closes the fork before the fleet.
func (f *Fleet) Fork(ctx context.Context, name string, own Own) (_ *Fleet, err error) {
	k := &Fleet{Servers: f.Servers, stack: f.stack, orderd: f.orderd, prefix: name + "-"}
	defer func() {
		if err != nil {
			_ = k.CloseFork() // what went wrong before matters more
		}
	}()
	starting, ctx2 := errgroup.WithContext(ctx)
	starting.Go(func() (err error) { k.Stock, err = f.stack.Redis(ctx2, k.prefix+"redis-stock"); return })
	starting.Go(func() (err error) { k.Locks, err = f.stack.Redis(ctx2, k.prefix+"redis-locks"); return })
	if own.Masters {
		for i := range k.Masters {
			starting.Go(func() (err error) {
				k.Masters[i], err = f.stack.Redis(ctx2, fmt.Sprintf("%sredis-master-%d", k.prefix, i+1))
				return err
			})
		}
	}
	if own.Postgres {
		starting.Go(func() (err error) { k.Postgres, err = f.stack.Postgres(ctx2, k.prefix+"postgres"); return })
	}
	if own.ZooKeeper {
		starting.Go(func() (err error) { k.ZooKeeper, err = f.stack.ZooKeeper(ctx2, k.prefix+"zookeeper"); return })
	}
	err = starting.Wait()
	k.mine = k.alone(f)
	if err != nil {
		return nil, err
	}
	url, err := k.Postgres.NewDatabase(ctx, "fork_"+name)
	if err != nil {
		return nil, err
	}
	return k, k.prepare(ctx, url)
}

// alone lists the servers that the fork does not share with f.
func (k *Fleet) alone(f *Fleet) []*stack.Process {
	var mine []*stack.Process
	for _, r := range append(k.Masters[:], k.Stock, k.Locks) {
		if r != nil && !contains(f, r) {
			mine = append(mine, r.Process)
		}
	}
	if k.Postgres != nil && k.Postgres != f.Postgres {
		mine = append(mine, k.Postgres.Process)
	}
	if k.ZooKeeper != nil && k.ZooKeeper != f.ZooKeeper {
		mine = append(mine, k.ZooKeeper.Process)
	}
	return mine
}

func contains(f *Fleet, r *stack.Redis) bool {
	for _, master := range f.Masters {
		if master == r {
			return true
		}
	}
	return r == f.Stock || r == f.Locks
}

// CloseFork ends the servers that are the fork's alone.
func (k *Fleet) CloseFork() error {
	if k.db != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = k.db.Close(ctx)
	}
	var errs []error
	for _, p := range k.mine {
		errs = append(errs, p.Kill())
	}
	return errors.Join(errs...)
}
