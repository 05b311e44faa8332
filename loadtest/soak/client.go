package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"orderd/loadtest/load"
)

// Kinds of requests, as they are counted.
const (
	single   = "orders"
	cart     = "carts"
	hold     = "holds"
	replay   = "replays"
	cancel   = "cancels"
	confirm  = "confirms"
	restock  = "restocks"
	replaced = "orders while replicas were replaced"
)

// kinds are in the order that they are told in.
var kinds = []string{single, cart, hold, replay, cancel, confirm, restock, replaced}

const (
	// remembered is how many of its latest orders a client may come back to.
	remembered = 32
	// persistence is how often a client asks for what became of an order, or asks
	// for a change of mind again, before it gives up.
	persistence = 20
	// backoff is the pause of a client that was not served.
	backoff = 50 * time.Millisecond
	// holdMost is the longest hold, in seconds.
	holdMost = 3
)

// A client asks for one thing after the other. What it asks for follows from the
// seed; when, and what comes of it, does not.
type client struct {
	shop   *shop
	number int
	random *rand.Rand
	made   int // orders and restocks so far
	mine   []*mine
	ops    []load.Op
	acts   []load.Action
	sent   map[string]int
}

// A mine is an order that the client has.
type mine struct {
	load.Op
	changed bool // it was cancelled or confirmed, or was to be
}

// step asks for one thing.
func (c *client) step(ctx context.Context) {
	switch draw := c.random.IntN(100); {
	case draw < 42:
		c.order(ctx, single, load.Op{Lines: c.lines(1)})
	case draw < 60:
		c.order(ctx, cart, load.Op{Lines: c.lines(2 + c.random.IntN(4))})
	case draw < 72:
		c.order(ctx, hold, load.Op{Lines: c.lines(1 + c.random.IntN(2)), Hold: 1 + c.random.IntN(holdMost)})
	case draw < 82:
		c.change(ctx, load.Cancel, func(*mine) bool { return true })
	case draw < 88:
		c.change(ctx, load.Confirm, func(m *mine) bool { return m.Hold > 0 })
	default:
		c.again(ctx)
	}
}

// lines draws so many SKUs, the first ones more often than the last.
func (c *client) lines(n int) []load.Line {
	drawn := map[int]bool{}
	var lines []load.Line
	for len(lines) < n {
		i := min(c.random.IntN(skus), c.random.IntN(skus))
		if !drawn[i] {
			drawn[i] = true
			lines = append(lines, load.Line{SKU: c.shop.skus[i], Quantity: 1 + c.random.Int64N(3)})
		}
	}
	return lines
}

// order places an order, most often with a key, and so until it knows what
// became of it.
func (c *client) order(ctx context.Context, kind string, op load.Op) {
	c.made++
	c.sent[kind]++
	if c.random.IntN(100) < 70 {
		op.Key = fmt.Sprintf("soak-%d-%d", c.number, c.made)
	}
	placed := c.place(ctx, op)
	for try := 1; placed.Outcome == load.Unknown && op.Key != "" && try < persistence && ctx.Err() == nil; try++ {
		c.sent[replay]++
		placed = c.place(ctx, op)
	}
	if placed.Outcome != load.Confirmed {
		return
	}
	for _, l := range placed.Lines {
		c.shop.sold.Add(l.Quantity)
	}
	if len(c.mine) == remembered {
		c.mine = c.mine[1:]
	}
	c.mine = append(c.mine, &mine{Op: placed})
}

// place sends the order once, to any replica.
func (c *client) place(ctx context.Context, op load.Op) load.Op {
	asked := make([]load.Line, len(op.Lines))
	for i, l := range op.Lines {
		asked[i] = load.Line{SKU: l.SKU, Quantity: l.Quantity}
	}
	op = load.Op{Client: c.number, Lines: asked, Key: op.Key, Hold: op.Hold, Call: time.Since(c.shop.clock)}
	c.shop.client.Place(ctx, c.random.IntN(c.shop.targets), &op)
	op.Return = time.Since(c.shop.clock)
	c.ops = append(c.ops, op)
	if op.Outcome != load.Confirmed && op.Outcome != load.SoldOut {
		rest(ctx)
	}
	return op
}

// again sends an order that was placed once more, whatever became of it since.
func (c *client) again(ctx context.Context) {
	if m := c.one(func(m *mine) bool { return m.Key != "" }); m != nil {
		c.sent[replay]++
		c.place(ctx, m.Op)
	}
}

// change has the client change its mind about one of its orders, at times twice.
func (c *client) change(ctx context.Context, deed load.ActionKind, may func(*mine) bool) {
	m := c.one(func(m *mine) bool { return !m.changed && may(m) })
	if m == nil {
		return
	}
	m.changed = true
	times := 1
	if c.random.IntN(5) == 0 {
		times = 2
	}
	for range times {
		act := load.Action{Deed: deed, OrderID: m.OrderID}
		c.do(ctx, &act)
		for try := 1; act.Outcome == load.Unknown && try < persistence && ctx.Err() == nil; try++ {
			rest(ctx)
			act = load.Action{Deed: deed, OrderID: m.OrderID}
			c.do(ctx, &act)
		}
	}
}

// restock fills a shelf, most often with a key: then it is tried until it is known
// what became of it, and at times once more. Without one it is not: it could not be
// told from another.
func (c *client) restock(ctx context.Context) {
	c.made++
	asked := load.Action{
		Deed: load.Restock, SKU: c.shop.skus[c.random.IntN(skus)], Delta: 1 + c.random.Int64N(restockMost),
		Reason: fmt.Sprintf("restock_%d", c.made),
	}
	times := 1
	if c.random.IntN(100) < 70 {
		asked.Key, times = asked.Reason, 1+c.random.IntN(2)
	}
	act := asked
	for range times {
		act = asked
		c.do(ctx, &act)
		for try := 1; act.Outcome == load.Unknown && act.Key != "" && try < persistence && ctx.Err() == nil; try++ {
			rest(ctx)
			act = asked
			c.do(ctx, &act)
		}
	}
	if act.Outcome == load.Confirmed {
		c.shop.sold.Add(-act.Delta)
	}
}

func (c *client) do(ctx context.Context, act *load.Action) {
	c.sent[map[load.ActionKind]string{load.Cancel: cancel, load.Confirm: confirm, load.Restock: restock}[act.Deed]]++
	act.Call = time.Since(c.shop.clock)
	c.shop.client.Do(ctx, c.random.IntN(c.shop.targets), act)
	act.Return = time.Since(c.shop.clock)
	c.acts = append(c.acts, *act)
}

// one draws an order that will do, if the client has one.
func (c *client) one(will func(*mine) bool) *mine {
	var those []*mine
	for _, m := range c.mine {
		if will(m) {
			those = append(those, m)
		}
	}
	if len(those) == 0 {
		return nil
	}
	return those[c.random.IntN(len(those))]
}

func rest(ctx context.Context) {
	select {
	case <-time.After(backoff):
	case <-ctx.Done():
	}
}
