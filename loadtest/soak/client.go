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

// kinds are in the order in which they are reported.
var kinds = []string{single, cart, hold, replay, cancel, confirm, restock, replaced}

const (
	// remembered is how many of its latest orders a client may come back to.
	remembered = 32
	// persistence is how often a client sends an order, or a change of one, whose outcome
	// stays unknown before it gives up.
	persistence = 20
	// backoff is how long a client waits after it was not served.
	backoff = 50 * time.Millisecond
	// holdMost is the longest hold, in seconds.
	holdMost = 3
)

// A client sends one request after the other. What it asks for follows from the seed; the
// timing and the outcomes do not.
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

// A mine is a confirmed order of the client.
type mine struct {
	load.Op
	changed bool // it was cancelled or confirmed, or that was tried
}

// step makes one request of a random kind.
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

// lines draws n SKUs, the first ones more often than the last.
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

// order places an order, usually with a key; then it retries until the outcome is known.
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
		load.Sleep(ctx, backoff)
	}
	return op
}

// again repeats an order with a key that was confirmed, whatever became of it since.
func (c *client) again(ctx context.Context) {
	if m := c.one(func(m *mine) bool { return m.Key != "" }); m != nil {
		c.sent[replay]++
		c.place(ctx, m.Op)
	}
}

// change cancels or confirms one of the client's orders, at times twice.
func (c *client) change(ctx context.Context, kind load.ActionKind, may func(*mine) bool) {
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
		act := load.Action{Kind: kind, OrderID: m.OrderID}
		c.do(ctx, &act)
		for try := 1; act.Outcome == load.Unknown && try < persistence && ctx.Err() == nil; try++ {
			load.Sleep(ctx, backoff)
			act = load.Action{Kind: kind, OrderID: m.OrderID}
			c.do(ctx, &act)
		}
	}
}

// restock adds units to a SKU, usually with a key: then it retries until the outcome is
// known, and at times repeats it once more. Without a key it does not retry, because one
// restock could not be told from the other.
func (c *client) restock(ctx context.Context) {
	c.made++
	asked := load.Action{
		Kind: load.Restock, SKU: c.shop.skus[c.random.IntN(skus)], Delta: 1 + c.random.Int64N(restockMost),
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
			load.Sleep(ctx, backoff)
			act = asked
			c.do(ctx, &act)
		}
	}
	if act.Outcome == load.Confirmed {
		c.shop.sold.Add(-act.Delta)
	}
}

func (c *client) do(ctx context.Context, act *load.Action) {
	c.sent[map[load.ActionKind]string{load.Cancel: cancel, load.Confirm: confirm, load.Restock: restock}[act.Kind]]++
	act.Call = time.Since(c.shop.clock)
	c.shop.client.Do(ctx, c.random.IntN(c.shop.targets), act)
	act.Return = time.Since(c.shop.clock)
	c.acts = append(c.acts, *act)
}

// one draws an order that will accepts, nil if the client has none.
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
