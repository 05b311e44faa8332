package load

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Generator sends orders over kept connections for as long as it lasts, with a
// client that costs little (see wire). It is for measuring speed.
type Generator struct {
	Targets []string // host:port of each replica
	Clients int      // at each target, each with a connection of its own
	Lasts   time.Duration
	// SKUs are those to order, one unit at a time. Pick chooses one of them by
	// its place for a client's next order; nil: always the first. Each client
	// has a Pick of its own.
	SKUs []string
	Pick func(client int) func() int
	// APIKey lets the clients in; empty: nobody asks for one.
	APIKey string
	// Idempotent gives each order an idempotency key of its own.
	Idempotent bool
	// PerSecond is how many orders are sent a second, evenly, whether or not
	// those before are answered: an order's Call is when it was due, so that an
	// answer that was late makes those behind it late, too. 0: a closed loop,
	// in which each client sends its next when the last is answered.
	PerSecond float64
	// Orders is how many are sent at most; 0: as many as there is time for.
	Orders int
	// Pause is the least that a client of a closed loop rests that was told to come
	// again, and a third of the most: they do not all come together.
	Pause time.Duration
}

// An Order is one of a rush: an Op, and which SKU it was for.
type Order struct {
	Op
	SKU int
}

// Run rushes, and returns the orders by when they were sent. An error means
// that the deployment does not take part in it at all.
func (r Generator) Run(ctx context.Context) ([]Order, error) {
	clients := make([]*rusher, r.Clients*len(r.Targets))
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.wire.conn.Close()
			}
		}
	}()
	// Many at once: a server closes connections on which nothing comes for long. Not
	// all: it would not accept them in time.
	var dialling errgroup.Group
	dialling.SetLimit(128)
	for i := range clients {
		dialling.Go(func() error {
			c, err := r.client(ctx, i)
			if err != nil {
				return fmt.Errorf("client %d: %w", i, err)
			}
			clients[i] = c
			return nil
		})
	}
	if err := dialling.Wait(); err != nil {
		return nil, err
	}
	for _, c := range clients {
		if err := c.wire.conn.SetDeadline(time.Now().Add(r.Lasts + requestLimit)); err != nil {
			return nil, err
		}
	}
	// What the clients keep is little, and collecting it while they count would
	// take time from what they measure.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var all sync.WaitGroup
	var sent atomic.Int64
	began := time.Now()
	for _, c := range clients {
		all.Go(func() { c.run(ctx, r, began, &sent) })
	}
	all.Wait()
	var orders []Order
	for _, c := range clients {
		orders = append(orders, c.finish()...)
	}
	slices.SortStableFunc(orders, func(a, b Order) int { return cmp.Compare(a.Call, b.Call) })
	for i := range orders {
		orders[i].Seq = i
	}
	return orders, ctx.Err()
}

// A rusher is one client of a rush. Answers are kept as they came and read
// afterwards: that must not cost anything while it counts.
type rusher struct {
	number   int
	target   string
	wire     *wire
	requests [][]byte // by SKU
	pick     func() int
	orders   []Order
	bodies   [][]byte
}

func (r Generator) client(ctx context.Context, n int) (*rusher, error) {
	target := r.Targets[n%len(r.Targets)]
	c := &rusher{number: n, target: target, requests: make([][]byte, len(r.SKUs)), pick: func() int { return 0 }}
	for i, sku := range r.SKUs {
		c.requests[i] = request(target, sku, r.headers())
	}
	if r.Pick != nil {
		c.pick = r.Pick(n)
	}
	var err error
	c.wire, err = dial(ctx, target, time.Now().Add(r.Lasts+requestLimit))
	return c, err
}

// headers are those that not every rush has.
func (r Generator) headers() string {
	headers := ""
	if r.APIKey != "" {
		headers += "Authorization: Bearer " + r.APIKey + "\r\n"
	}
	if r.Idempotent {
		headers += idempotencyKey + noKey + "\r\n"
	}
	return headers
}

func (c *rusher) run(ctx context.Context, r Generator, began time.Time, sent *atomic.Int64) {
	for ctx.Err() == nil {
		before := sent.Add(1) - 1
		if r.Orders > 0 && before >= int64(r.Orders) {
			return
		}
		call := time.Since(began)
		if r.PerSecond > 0 {
			call = time.Duration(float64(before) * float64(time.Second) / r.PerSecond)
			time.Sleep(call - time.Since(began))
		}
		if call >= r.Lasts {
			return
		}
		sku, key := c.pick(), ""
		if r.Idempotent {
			key = putKey(c.requests[sku], before)
		}
		status, body, err := c.wire.exchange(c.requests[sku])
		o := Order{Op{
			Client: c.number, Replica: c.target, Quantity: 1, Key: key, Status: status, Call: call, Return: time.Since(began), LockWait: -1,
		}, sku}
		if err != nil {
			o.Error = err.Error()
		}
		c.orders, c.bodies = append(c.orders, o), append(c.bodies, body)
		if err != nil {
			return // what comes next on this connection may be of this order
		}
		if r.PerSecond == 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
			time.Sleep(r.Pause + rand.N(2*r.Pause+1))
		}
	}
}

// finish reads the answers.
func (c *rusher) finish() []Order {
	for i := range c.orders {
		if op := &c.orders[i].Op; op.Error != "" {
			op.Outcome = Unknown
		} else {
			op.read(c.bodies[i])
		}
	}
	return c.orders
}
