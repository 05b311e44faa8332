package stack

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/errgroup"
)

// A group is servers that are of use only together: either all start, or none is left running.
type group struct {
	mu      sync.Mutex
	members []*run
}

// startGroup runs form and, if it fails, kills what it has started.
func startGroup(ctx context.Context, name string, form func(context.Context, *group) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	g := &group{}
	if err := form(ctx, g); err != nil {
		return fmt.Errorf("start %s: %w", name, errors.Join(err, g.kill()))
	}
	return nil
}

// start starts n members at once. The first that fails cancels the others.
func (g *group) start(ctx context.Context, n int, start func(ctx context.Context, i int) (*Process, error)) error {
	all, ctx := errgroup.WithContext(ctx)
	for i := range n {
		all.Go(func() error {
			p, err := start(ctx, i)
			if err != nil {
				return err
			}
			g.mu.Lock()
			defer g.mu.Unlock()
			g.members = append(g.members, p.run())
			return nil
		})
	}
	return all.Wait()
}

// await polls until the members agree that they are ready, or one has ended.
func (g *group) await(ctx context.Context, ready func(context.Context) error) error {
	return awaitReady(ctx, ready, g.members...)
}

func (g *group) kill() error {
	errs := make([]error, len(g.members))
	var wg sync.WaitGroup
	for i, r := range g.members {
		wg.Go(func() { errs[i] = r.kill() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
