package locking

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// A redisHub receives, on one connection for the whole process, the messages about locks that
// were passed on and about waiters. A message can be lost with its connection, so messages
// speed waiters up, but no waiter relies on them alone.
type redisHub struct {
	client   redis.UniversalClient
	channel  string
	patience time.Duration // how long a connection may be silent

	mu      sync.Mutex
	waiters map[string]chan redisWake // by owner
	demands map[string]*demand        // by owner, of holders and waiters
}

// A redisWake tells a waiter why it should ask again.
type redisWake struct {
	cause wakeCause
	lock  string // with wakeTurn: the lock that was passed on to the waiter,
	token int64  // its token,
	note  string // and the previous holder's note
}

// join registers owner. It returns the channel on which the owner is told to ask again, and
// the demand that tells it that others wait for what it holds.
func (h *redisHub) join(owner string) (<-chan redisWake, *demand) {
	woken, d := make(chan redisWake, 1), newDemand()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters[owner], h.demands[owner] = woken, d
	return woken, d
}

// leave unregisters the owner as a waiter.
func (h *redisHub) leave(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, owner)
}

// part unregisters the owner's demand: it holds nothing any more.
func (h *redisHub) part(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.demands, owner)
}

// wake delivers a message to its owner: that a lock was passed on to it, or that others wait
// for what it holds. For the format see tell in redis_turns.lua.
func (h *redisHub) wake(message string) {
	digits, rest, _ := strings.Cut(message, "|")
	size, rest, _ := strings.Cut(rest, "|")
	token, err := strconv.ParseInt(digits, 10, 64)
	n, err2 := strconv.Atoi(size)
	if err != nil || err2 != nil || n < 0 || n > len(rest) {
		return // not one of ours
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if token == 0 {
		h.demands[rest[:n]].tell()
	} else if woken, waits := h.waiters[rest[:n]]; waits {
		lock, note, _ := strings.Cut(rest[n:], "\n") // the name of a key with a line feed is cut short: its waiter sees another lock, and asks
		tell(woken, redisWake{wakeTurn, lock, token, note})
	}
}

// wakeAll has all waiters ask again, and tells all holders that others wait: messages may
// have been lost.
func (h *redisHub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, woken := range h.waiters {
		tell(woken, redisWake{cause: wakeReconnect})
	}
	for _, d := range h.demands {
		d.tell()
	}
}

func tell(woken chan<- redisWake, w redisWake) {
	select {
	case woken <- w:
	default: // it has not read an earlier wake-up yet, and is about to ask
	}
}

// run listens until ctx ends, on one connection after the other.
func (h *redisHub) run(ctx context.Context) {
	const first = 10 * time.Millisecond
	for wait := first; ; wait = min(2*wait, h.patience) {
		if h.listen(ctx) {
			wait = first
		}
		if !pause(ctx, wait) {
			return
		}
	}
}

// listen listens on one connection until it fails, and reports whether it ever subscribed.
func (h *redisHub) listen(ctx context.Context) (good bool) {
	sub := h.client.Subscribe(ctx, h.channel)
	// A read does not end with ctx.
	stop := context.AfterFunc(ctx, func() { _ = sub.Close() })
	defer func() {
		stop()
		_ = sub.Close() // of a connection that has failed
	}()
	for asked := false; ; {
		message, err := sub.ReceiveTimeout(ctx, h.patience)
		network, ok := errors.AsType[net.Error](err)
		if good && ok && network.Timeout() && !asked {
			// Perhaps nobody had anything to say.
			if sub.Ping(ctx) != nil {
				return good
			}
			asked = true
			continue
		}
		if err != nil {
			return good
		}
		asked = false
		switch m := message.(type) {
		case *redis.Subscription:
			good = true
			h.wakeAll()
		case *redis.Message:
			h.wake(m.Payload)
		}
	}
}
