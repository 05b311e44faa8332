package locking

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Inspect implements Inspector.
func (r *Redis) Inspect(ctx context.Context, key string) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, r.call)
	defer cancel()
	lock, queue, _ := redisNames(key)
	var (
		value   *redis.StringCmd
		left    *redis.DurationCmd
		waiters *redis.IntCmd
	)
	asked := time.Now()
	_, err := r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		value, left, waiters = p.Get(ctx, lock), p.PTTL(ctx, lock), p.LLen(ctx, queue)
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return Status{}, errors.Join(ErrUnavailable, err)
	}
	s := Status{Waiters: int(waiters.Val())}
	if value.Err() != nil { // nobody holds it
		return s, nil
	}
	if s.Owner, s.Token, s.Since, err = parseLock(value.Val()); err != nil {
		return Status{}, errors.Join(ErrUnavailable, fmt.Errorf("%s: %w", lock, err))
	}
	if owner, note, noted := cutLast(s.Owner, "|"); noted && !strings.Contains(note, ":") {
		s.Owner = owner // what follows an owner's own last bar has colons
	}
	if left.Val() > 0 {
		s.Until = asked.Add(left.Val())
	}
	return s, nil
}

// parseLock reads a lock's value, "owner|token|since". A note stays at the end of owner.
func parseLock(value string) (owner string, token int64, since time.Time, err error) {
	rest, microseconds, _ := cutLast(value, "|")
	owner, digits, found := cutLast(rest, "|")
	if !found {
		return "", 0, time.Time{}, fmt.Errorf("%q is not a lock", value)
	}
	token, err = strconv.ParseInt(digits, 10, 64)
	micro, err2 := strconv.ParseInt(microseconds, 10, 64)
	return owner, token, time.UnixMicro(micro), errors.Join(err, err2)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// NextToken implements Evictor.
func (r *Redis) NextToken(ctx context.Context, key string) (int64, error) {
	_, _, counter := redisNames(key)
	ctx, cancel := context.WithTimeout(ctx, r.call)
	defer cancel()
	token, err := mintScript.Run(ctx, r.client, []string{counter}).Int64()
	if err != nil {
		return 0, errors.Join(ErrUnavailable, fmt.Errorf("mint a token: %w", err))
	}
	return token, nil
}

// Evict implements Evictor. It does what the owner's own release does.
func (r *Redis) Evict(ctx context.Context, key, owner string) (bool, error) {
	h := &redisHolder{redis: r, owner: owner}
	held, _, _, err := h.giveBack(ctx, []string{key})
	if err != nil {
		return false, errors.Join(ErrUnavailable, fmt.Errorf("evict: %w", err))
	}
	return held > 0, nil
}
