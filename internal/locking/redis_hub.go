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

// A redisHub hears, on one connection for the whole process, whose turn it is.
// A message can be lost with its connection, so that it speeds waiters up and
// is never all that they rely on.
type redisHub struct {
	client   redis.UniversalClient
	channel  string
	patience time.Duration // with a connection that says nothing

	mu      sync.Mutex
	waiters map[string]chan redisWake // by owner
	demands map[string]*demand        // by owner, of those who hold or wait
}

// A redisWake tells a waiter why to stop waiting.
type redisWake struct {
	cause wakeCause
	lock  string // by wakeTurn: what was passed on to the waiter,
	token int64  // with which token,
	note  string // and with what from the holder before
}

// join returns the channel on which the owner is told to ask, and what it is
// told by that others wait for what it holds.
func (h *redisHub) join(owner string) (<-chan redisWake, *demand) {
	woken, d := make(chan redisWake, 1), newDemand()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiters[owner], h.demands[owner] = woken, d
	return woken, d
}

// leave ends the owner's wait.
func (h *redisHub) leave(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.waiters, owner)
}

// part ends what leave has left: the owner holds nothing any more.
func (h *redisHub) part(owner string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.demands, owner)
}

// wake tells one owner that its turn has come, or that another waits for what
// it holds, by the message about it: redis_turns.lua says what that looks like.
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
		lock, note, _ := strings.Cut(rest[n:], "\n") // a key with a line feed is another lock: who hears of that asks
		tell(woken, redisWake{wakeTurn, lock, token, note})
	}
}

// wakeAll tells everybody to ask, and to give way: their message may have been
// lost.
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
	default: // is about to ask
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

// listen listens on one connection until it fails, and reports whether it was
// any good.
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
			// It may be that nobody has anything to say.
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
