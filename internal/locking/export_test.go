package locking

import "context"

// Names of what the modes store, for tests that look at it.
var (
	ZKFolder   = zkFolder
	RedisNames = redisNames
)

// WokenByTurn returns how many waiters were woken by a message that the lock may be theirs.
func WokenByTurn(r *Redis) int64 { return r.woken(wakeTurn) }

// WokenByReconnect returns how many waiters were woken to ask again after the connection that
// carries their messages was lost.
func WokenByReconnect(r *Redis) int64 { return r.woken(wakeReconnect) }

// Listens reports whether the locker's process listens on its channel: before that, no lock
// is passed on to it.
func Listens(ctx context.Context, r *Redis) (bool, error) {
	heard, err := r.client.PubSubNumSub(ctx, r.hub.channel).Result()
	return heard[r.hub.channel] > 0, err
}

// Known returns how many owners the locker receives messages for: the waiters, and the
// waiters and holders.
func Known(r *Redis) (waiters, owners int) {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	return len(r.hub.waiters), len(r.hub.demands)
}

// A RedisWaiter asks for locks and receives no messages.
type RedisWaiter struct{ h *redisHolder }

// NewRedisWaiter returns one that waits in the locker's process.
func NewRedisWaiter(r *Redis) RedisWaiter {
	return RedisWaiter{&redisHolder{redis: r, owner: r.name + ":0"}}
}

// Ask asks for a key, and returns the token and the note that it got.
func (w RedisWaiter) Ask(ctx context.Context, key string) (token int64, note string) {
	a := w.h.send(ctx, []string{key})
	if len(a.grants) == 0 {
		return 0, ""
	}
	return a.grants[0].token, a.grants[0].note
}

// WakeAll has the locker's waiters ask again, as after a connection was lost.
func WakeAll(r *Redis) { r.hub.wakeAll() }
