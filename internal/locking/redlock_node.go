package locking

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"sync"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed redlock_node.lua
	redlockNodeSource string
	//go:embed redlock_acquire.lua
	redlockAcquireSource string
	//go:embed redlock_confirm.lua
	redlockConfirmSource string
	//go:embed redlock_renew.lua
	redlockRenewSource string
	//go:embed redlock_release.lua
	redlockReleaseSource string
	//go:embed redlock_mint.lua
	redlockMintSource string

	redlockAcquire = redis.NewScript(redlockNodeSource + redlockAcquireSource)
	redlockConfirm = redis.NewScript(redlockNodeSource + redlockConfirmSource)
	redlockRenew   = redis.NewScript(redlockNodeSource + redlockRenewSource)
	redlockRelease = redis.NewScript(redlockNodeSource + redlockReleaseSource)
	redlockMint    = redis.NewScript(redlockNodeSource + redlockMintSource)
)

// A redlockNode is one of the masters.
type redlockNode struct {
	redlock *Redlock
	index   int
	client  redis.UniversalClient
	sweeper redlockSweeper
}

func newRedlockNode(r *Redlock, index int, o *redis.UniversalOptions) *redlockNode {
	n := &redlockNode{redlock: r, index: index, client: openLockClient(o, r.call)}
	n.sweeper.init(n)
	return n
}

// run runs a script within the time limit of one request.
func (n *redlockNode) run(
	ctx context.Context, s *redis.Script, keys []string, args ...any,
) *redis.Cmd {
	ctx, cancel := context.WithTimeout(ctx, n.redlock.call)
	defer cancel()
	return s.Run(ctx, n.client, keys, args...)
}

// runAgain is run for scripts that may be sent twice: it repeats one whose connection was
// lost, as a server that was restarted leaves dead connections behind.
func (n *redlockNode) runAgain(
	ctx context.Context, s *redis.Script, keys []string, args ...any,
) *redis.Cmd {
	cmd := n.run(ctx, s, keys, args...)
	if err := cmd.Err(); err != nil && dropped(err) {
		cmd = n.run(ctx, s, keys, args...)
	}
	return cmd
}

// askAll asks all masters at once and returns the answers of those that gave one. If these
// are no quorum the error is ErrUnavailable, joined with the masters' errors.
func askAll[T any](r *Redlock, ask func(*redlockNode) (T, error)) ([]T, error) {
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		answers []T
		errs    []error
	)
	for _, n := range r.nodes {
		group.Go(func() {
			answer, err := ask(n)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				errs = append(errs, fmt.Errorf("master %d: %w", n.index+1, err))
				return
			}
			answers = append(answers, answer)
		})
	}
	group.Wait()
	r.hear(len(answers))
	if len(answers) < r.quorum {
		return answers, errors.Join(ErrUnavailable, errors.Join(errs...))
	}
	return answers, nil
}
