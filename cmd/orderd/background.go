package main

import (
	"context"
	"sync"
)

// A background is what a replica does besides answering requests. It goes on
// while requests are still being answered after SIGTERM.
type background struct {
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup
}

func newBackground(ctx context.Context) *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	return b
}

// run starts a task that lasts until its context ends.
func (b *background) run(task func(context.Context)) {
	b.tasks.Go(func() { task(b.ctx) })
}

// end ends the tasks and waits for them.
func (b *background) end() {
	b.cancel()
	b.tasks.Wait()
}
