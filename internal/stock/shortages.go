package stock

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// Freshness is the maximum age of the read of Postgres behind a "sold out".
	Freshness = 100 * time.Millisecond
	// askLimit bounds a read of Postgres. Callers may share it, so no caller's deadline
	// applies.
	askLimit = 2 * time.Second
	// rememberedMax bounds the SKUs remembered as short, so that orders for
	// ever new sold-out SKUs cannot fill the memory.
	rememberedMax = 10_000
)

// Shortages confirms in Postgres that a SKU is short before any caller is told so, with one
// read for all who ask within Freshness of it. It remembers only SKUs that were short when last
// read.
type Shortages struct {
	store levelReader
	now   func() time.Time

	asking singleflight.Group
	mu     sync.Mutex
	short  map[string]answer
}

type answer struct {
	level Level
	asked time.Time // before the read was sent, so that the answer is at least as new
}

// NewShortages returns shortages that store confirms. None is remembered yet.
func NewShortages(store levelReader) *Shortages {
	return &Shortages{store: store, now: time.Now, short: map[string]answer{}}
}

// KnownShort reports whether the SKU is certainly short of quantity units. It asks Postgres
// only about a SKU that was short when last read, so that a SKU in stock costs nothing here.
func (t *Shortages) KnownShort(ctx context.Context, sku string, quantity int64) (Level, bool, error) {
	if _, was := t.remembered(sku, quantity); !was {
		return Level{}, false, nil
	}
	level, err := t.Confirm(ctx, sku, quantity)
	return level, err == nil && level.OnHand < quantity, err
}

// Confirm returns the SKU's level in Postgres, for a caller that needs quantity units and
// suspects that fewer are left. A level below quantity is shared with other callers, and its
// read began at most Freshness ago or after the call did; a sufficient level was read after the
// call began, so that a caller that holds the lock may sell from it.
func (t *Shortages) Confirm(ctx context.Context, sku string, quantity int64) (Level, error) {
	if last, short := t.remembered(sku, quantity); short && t.now().Sub(last.asked) <= Freshness {
		return last.level, nil
	}
	// All waiting callers share the read: the end of the first caller's context must not cancel
	// it.
	detached, began := context.WithoutCancel(ctx), t.now()
	for {
		reply := t.asking.DoChan(sku, func() (any, error) { return t.ask(detached, sku, quantity) })
		select {
		case r := <-reply:
			if r.Err != nil {
				return Level{}, r.Err
			}
			last := r.Val.(answer)
			if last.level.OnHand >= quantity {
				// Sufficient, but the shared read may have begun before this caller got the
				// lock, and others may have sold since.
				return t.ConfirmFresh(ctx, sku, quantity)
			}
			if !last.asked.Before(began) || t.now().Sub(last.asked) <= Freshness {
				return last.level, nil
			}
			// The read was in flight for long, and units may have been added since: read again.
		case <-ctx.Done():
			return Level{}, Unavailable("confirm the stock", context.Cause(ctx))
		}
	}
}

// ConfirmFresh is Confirm with a read of its own, begun after the call, also if the level is
// below quantity.
func (t *Shortages) ConfirmFresh(ctx context.Context, sku string, quantity int64) (Level, error) {
	own, err := t.ask(ctx, sku, quantity)
	return own.level, err
}

// remembered returns the last answer about the SKU if it was short of quantity.
func (t *Shortages) remembered(sku string, quantity int64) (answer, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	last, ok := t.short[sku]
	return last, ok && last.level.OnHand < quantity
}

func (t *Shortages) ask(ctx context.Context, sku string, quantity int64) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	asked := t.now()
	levels, err := t.store.Levels(ctx, []string{sku})
	if err != nil {
		return answer{}, err
	}
	if len(levels) == 0 {
		return answer{}, &UnknownSKUError{sku}
	}
	a := answer{levels[0], asked}
	if a.level.OnHand < quantity {
		t.remember(a)
	}
	return a, nil
}

func (t *Shortages) remember(a answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// By time and not by version: a Postgres that lost its last versions, such as a promoted
	// standby, may assign them again.
	if last, ok := t.short[a.level.SKU]; ok && last.asked.After(a.asked) {
		return
	}
	if len(t.short) >= rememberedMax {
		clear(t.short) // it only saves reads, and fills again
	}
	t.short[a.level.SKU] = a
}

// Invalidate drops remembered shortages that a newer level replaces, so that nobody is refused
// as sold out on a level from before a restock.
func (t *Shortages) Invalidate(levels ...Level) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, level := range levels {
		if last, ok := t.short[level.SKU]; ok && last.level.Version < level.Version {
			delete(t.short, level.SKU)
		}
	}
}
