package locking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

// A redlockView is what one master knows of a key.
type redlockView struct {
	owner string // empty if nobody holds it there
	token int64
	since time.Time
	until time.Time
}

// Inspect implements Inspector. The holder is the owner that has a quorum: others may have a
// minority of the masters while they try. Waiters cannot be seen.
func (r *Redlock) Inspect(ctx context.Context, key string) (Status, error) {
	views, err := askAll(r, func(n *redlockNode) (redlockView, error) {
		return n.view(ctx, redlockPrefix+key)
	})
	if err != nil {
		return Status{}, err
	}
	byOwner := make(map[string][]redlockView)
	for _, v := range views {
		if v.owner != "" {
			byOwner[v.owner] = append(byOwner[v.owner], v)
		}
	}
	for owner, seen := range byOwner {
		if len(seen) >= r.quorum {
			return r.status(owner, seen), nil
		}
		if silent := len(r.nodes) - len(views); len(seen)+silent >= r.quorum {
			return Status{}, fmt.Errorf("%w: with the masters that are silent, %s may hold the key", ErrUnavailable, owner)
		}
	}
	return Status{}, nil
}

// status combines the views of a holder. A master that does not know the quorum's token has a
// negative one. The lease ends when less than a quorum is left.
func (r *Redlock) status(owner string, seen []redlockView) Status {
	s := Status{Owner: owner, Since: seen[0].since}
	for _, v := range seen {
		s.Token = max(s.Token, v.token)
		if v.since.Before(s.Since) {
			s.Since = v.since
		}
	}
	slices.SortFunc(seen, func(a, b redlockView) int { return b.until.Compare(a.until) })
	s.Until = seen[r.quorum-1].until
	return s
}

func (n *redlockNode) view(ctx context.Context, lock string) (redlockView, error) {
	ctx, cancel := context.WithTimeout(ctx, n.redlock.call)
	defer cancel()
	var (
		value *redis.StringCmd
		left  *redis.DurationCmd
		v     redlockView
	)
	asked := time.Now()
	_, err := n.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		value, left = p.Get(ctx, lock), p.PTTL(ctx, lock)
		return nil
	})
	if errors.Is(err, redis.Nil) {
		return v, nil
	}
	if err != nil {
		return v, err
	}
	v.until = asked.Add(left.Val())
	v.owner, v.token, v.since, err = parseLock(value.Val())
	return v, err
}

// NextToken implements Evictor. One counter serves all keys.
func (r *Redlock) NextToken(ctx context.Context, _ string) (int64, error) {
	mint := func(least int64) ([]int64, error) {
		return askAll(r, func(n *redlockNode) (int64, error) {
			return n.run(ctx, redlockMint, []string{redlockCounter}, least).Int64()
		})
	}
	tokens, err := mint(0)
	if err != nil {
		return 0, fmt.Errorf("mint a token: %w", err)
	}
	// As with a lease, a quorum has to store it, or the next quorum might not know of it.
	token := slices.Max(tokens)
	if _, err := mint(token); err != nil {
		return 0, fmt.Errorf("mint a token: %w", err)
	}
	return token, nil
}

// Evict implements Evictor. It does what the owner's own release does, and
// reports whether the owner can have had a quorum.
func (r *Redlock) Evict(ctx context.Context, key, owner string) (bool, error) {
	answers, err := askAll(r, func(n *redlockNode) (bool, error) {
		mine, err := n.run(ctx, redlockRelease, []string{redlockPrefix + key}, owner).Int64Slice()
		return err == nil && mine[0] > 0, err
	})
	if err != nil {
		return false, fmt.Errorf("evict: %w", err)
	}
	held := 0
	for _, mine := range answers {
		if mine {
			held++
		}
	}
	silent := len(r.nodes) - len(answers)
	return held > 0 && held+silent >= r.quorum, nil
}
