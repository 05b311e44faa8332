package stock

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// Freshness is how old the truth behind a "sold out" may be.
	Freshness = 100 * time.Millisecond
	// askLimit bounds a read that many callers wait for, and none owns.
	askLimit = 2 * time.Second
	// rememberedMax bounds the SKUs remembered as short, so that orders for
	// ever new sold-out SKUs cannot fill the memory.
	rememberedMax = 10_000
)

// Shortages confirms in Postgres that a SKU is short before anybody is told so,
// with one read for all who ask within Freshness of it. It remembers only SKUs
// that were short at the last look.
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

// NewShortages returns the truth as store knows it.
func NewShortages(store levelReader) *Shortages {
	return &Shortages{store: store, now: time.Now, short: map[string]answer{}}
}

// KnownShort tells whether the SKU is surely short of quantity units. It asks
// Postgres only about a SKU that was short at the last look, so that a SKU in
// stock costs nothing here.
func (t *Shortages) KnownShort(ctx context.Context, sku string, quantity int64) (Level, bool, error) {
	if _, was := t.remembered(sku, quantity); !was {
		return Level{}, false, nil
	}
	level, err := t.Confirm(ctx, sku, quantity)
	return level, err == nil && level.OnHand < quantity, err
}

// Confirm returns the SKU's level in Postgres, for a caller who needs quantity
// units and has reason to think that fewer are left. A level below quantity
// was true at most Freshness ago and is shared with others who ask; a level
// that is enough was read after the call began, so that a caller who holds the
// lock may sell from it.
func (t *Shortages) Confirm(ctx context.Context, sku string, quantity int64) (Level, error) {
	if last, short := t.remembered(sku, quantity); short && t.now().Sub(last.asked) <= Freshness {
		return last.level, nil
	}
	// The read belongs to all who wait for it: the first caller's end must not end it.
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
				// Enough, it seems, but the shared read may have begun before this caller got the lock,
				// and others may have sold since.
				return t.ConfirmFresh(ctx, sku, quantity)
			}
			if !last.asked.Before(began) || t.now().Sub(last.asked) <= Freshness {
				return last.level, nil
			}
			// It was long under way, and there may be more since. The next one begins now.
		case <-ctx.Done():
			return Level{}, Unavailable("confirm the stock", context.Cause(ctx))
		}
	}
}

// ConfirmFresh is Confirm with a read of the caller's own, begun after the call, also
// where the answer is a level below quantity.
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
	// Not by the version: a Postgres that has lost its last versions may count them once more.
	if last, ok := t.short[a.level.SKU]; ok && last.asked.After(a.asked) {
		return
	}
	if len(t.short) >= rememberedMax {
		clear(t.short) // it only saves reads; the next look fills it again
	}
	t.short[a.level.SKU] = a
}

// Invalidate forgets what a newer level contradicts: who has just restocked is not
// told "sold out" on older truth.
func (t *Shortages) Invalidate(levels ...Level) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, level := range levels {
		if last, ok := t.short[level.SKU]; ok && last.level.Version < level.Version {
			delete(t.short, level.SKU)
		}
	}
}
