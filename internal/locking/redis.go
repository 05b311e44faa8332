package locking

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// minTTL leaves enough time for a renewal's round trip and for retries.
const minTTL = 100 * time.Millisecond

// maxHandoverTTL bounds how long a key stays reserved for the waiter it was passed to, until
// that one first renews: a dead waiter delays the next by that at most.
const maxHandoverTTL = time.Second

// RedisConfig says which Redis keeps the locks and for how long.
type RedisConfig struct {
	// Server is one Redis (6.2 or newer), a Sentinel's master, or a Cluster.
	// Time-outs and retries are set by the locker.
	Server *redis.UniversalOptions
	TTL    time.Duration // a dead holder's keys are free after it; 100 ms or more
	Owner  string        // the replica's name; part of a lock's value, for operators
	// Acks is how many of the server's replicas must have a lock before it is
	// granted, so that it survives a failover to one of them; 0: none.
	Acks int
	// Margin is how much of its lease a holder wants to have left at its last use of it. A
	// lock that is passed on is at first granted for a second or less: if that is not well
	// above the margin, the waiter asks for the whole TTL before Acquire returns.
	Margin time.Duration
	// Opened is called with the client before its first use, so that it can be instrumented;
	// may be nil.
	Opened func(redis.UniversalClient)
}

// Redis locks keys in one Redis, first come, first served. Leases last for the TTL and are
// renewed. A release passes the lock on to the longest waiter and notifies that one alone; a
// lock that expires goes to whoever asks first, and the others queue anew.
type Redis struct {
	wakeups
	client          redis.UniversalClient
	name            string // of this process: "replica:random"
	serial          atomic.Int64
	ttl             time.Duration
	handoverTTL     time.Duration // how long a lock that is passed on is kept for the waiter
	minHandoverLeft time.Duration // what must be left of that for the waiter to go on without asking
	call            time.Duration // limit of one request
	acks            int
	clustered       string // "1" or "0", as the scripts take it
	hub             *redisHub
	workers         *workers
}

var (
	_ Locker  = (*Redis)(nil)
	_ Evictor = (*Redis)(nil)
)

// NewRedis returns a locker. It checks the configuration and connects in the
// background: the server may come up later.
func NewRedis(cfg RedisConfig) (*Redis, error) {
	if err := errors.Join(checkRedis(cfg.Server), checkLease(cfg.TTL, cfg.Owner)); err != nil {
		return nil, fmt.Errorf("lock redis: %w", err)
	}
	if cfg.Acks < 0 {
		return nil, fmt.Errorf("lock redis: %d acknowledgements", cfg.Acks)
	}
	process, call, claim := rand.Text(), callTimeout(cfg.TTL), min(cfg.TTL, maxHandoverTTL)
	r := &Redis{
		client:          openLockClient(cfg.Server, call),
		name:            cfg.Owner + ":" + process,
		ttl:             cfg.TTL,
		handoverTTL:     claim,
		minHandoverLeft: max(claim/4, 2*cfg.Margin),
		call:            call,
		acks:            cfg.Acks,
		clustered:       "0",
		workers:         newWorkers(),
	}
	if cfg.Opened != nil {
		cfg.Opened(r.client)
	}
	if _, ok := r.client.(*redis.ClusterClient); ok {
		r.clustered = "1"
	}
	r.hub = &redisHub{
		client: r.client, channel: "orderd:wake:" + process, patience: r.ttl / 3,
		waiters: make(map[string]chan redisWake), demands: make(map[string]*demand),
	}
	r.workers.run(func() { r.hub.run(r.workers.life) })
	return r, nil
}

// Ping reports whether the server answers right now.
func (r *Redis) Ping(ctx context.Context) error {
	if err := r.client.Ping(ctx).Err(); err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	return nil
}

// Close ends every wait and every lease still held, and gives pending clean-up one last try.
func (r *Redis) Close() error {
	<-r.workers.close()
	return r.client.Close()
}

// Acquire implements Locker.
func (r *Redis) Acquire(ctx context.Context, keys ...string) (*Lease, error) {
	ctx, keys, end, err := r.workers.begin(ctx, keys)
	if err != nil {
		return nil, err
	}
	defer end()

	h := &redisHolder{redis: r, owner: r.name + ":" + strconv.FormatInt(r.serial.Add(1), 10)}
	l := newLease(r.workers.life, h, r.ttl)
	h.woken, l.demand = r.hub.join(h.owner)
	defer r.hub.leave(h.owner)
	if err := h.take(ctx, l, keys); err != nil {
		_ = l.Release(ctx) // what it could not settle is settled in the background
		r.hub.part(h.owner)
		return nil, err
	}
	return l, nil
}
