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
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Generator sends orders over persistent connections for as long as Lasts says, with
// clients that cost little CPU (see connection). It is for measuring speed.
type Generator struct {
	Targets []string // host:port of each replica
	Clients int      // per target, each with its own connection
	Lasts   time.Duration
	// SKUs are the SKUs to order, one unit at a time. Pick returns, for each client, a
	// function that chooses the index of the next order's SKU; nil: always the first.
	SKUs []string
	Pick func(client int) func() int
	// APIKey is sent with each order; empty: none is needed.
	APIKey string
	// FirstKey is the idempotency key of the first order; each has the next number. 0: they have
	// none.
	FirstKey int64
	// PerSecond makes it an open loop: orders are due evenly at this rate, whether or not
	// those before are answered. An order's Call is when it was due, so that waiting for a
	// free client counts as latency (no coordinated omission). 0: a closed loop, in which
	// each client sends its next order when the last is answered.
	PerSecond float64
	// Orders limits how many orders are sent; 0: as many as there is time for.
	Orders int
	// Pause is the shortest wait of a client of a closed loop after a 429 or 503; the longest
	// is three times that. The wait is random, so that they do not all return at once.
	Pause time.Duration
}

// An Order is an order sent by a Generator: an Op, and the index of its SKU.
type Order struct {
	Op
	SKU int
}

// Run sends the orders and returns them sorted by Call, and the CPU time that sending them and
// keeping the answers took. An error means that a client could not connect, or that ctx ended.
func (r Generator) Run(ctx context.Context) (orders []Order, used time.Duration, err error) {
	clients := make([]*loopClient, r.Clients*len(r.Targets))
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.connection.conn.Close()
			}
		}
	}()
	// Dial many at once: a server closes connections that stay idle for long. But not all: it
	// would not accept them in time.
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
		return nil, 0, err
	}
	for _, c := range clients {
		if err := c.connection.conn.SetDeadline(time.Now().Add(r.Lasts + requestLimit)); err != nil {
			return nil, 0, err
		}
	}
	// No garbage collection: the clients keep little, and collecting it during the
	// measurement would take CPU time from what they measure.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var all sync.WaitGroup
	var sent atomic.Int64
	began, before := time.Now(), cpuTime()
	for _, c := range clients {
		all.Go(func() { c.run(ctx, r, began, &sent) })
	}
	all.Wait()
	used = cpuTime() - before
	for _, c := range clients {
		orders = append(orders, c.finish()...)
	}
	slices.SortStableFunc(orders, func(a, b Order) int { return cmp.Compare(a.Call, b.Call) })
	for i := range orders {
		orders[i].Seq = i
	}
	return orders, used, ctx.Err()
}

// cpuTime is the CPU time that this process has used so far.
func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// A loopClient is one client of a Generator. It keeps answers as they came and parses them
// afterwards, so that parsing costs nothing during the measurement.
type loopClient struct {
	number     int
	target     string
	connection *connection
	requests   [][]byte // by index of the SKU
	pick       func() int
	orders     []Order
	bodies     [][]byte
}

func (r Generator) client(ctx context.Context, n int) (*loopClient, error) {
	target := r.Targets[n%len(r.Targets)]
	c := &loopClient{number: n, target: target, requests: make([][]byte, len(r.SKUs)), pick: func() int { return 0 }}
	for i, sku := range r.SKUs {
		c.requests[i] = request(target, sku, r.headers())
	}
	if r.Pick != nil {
		c.pick = r.Pick(n)
	}
	var err error
	c.connection, err = dial(ctx, target, time.Now().Add(r.Lasts+requestLimit))
	return c, err
}

// headers returns the optional headers.
func (r Generator) headers() string {
	headers := ""
	if r.APIKey != "" {
		headers += "Authorization: Bearer " + r.APIKey + "\r\n"
	}
	if r.FirstKey > 0 {
		headers += idempotencyKey + noKey + "\r\n"
	}
	return headers
}

func (c *loopClient) run(ctx context.Context, r Generator, began time.Time, sent *atomic.Int64) {
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
		if r.FirstKey > 0 {
			key = putKey(c.requests[sku], r.FirstKey+before)
		}
		status, body, err := c.connection.exchange(c.requests[sku])
		o := Order{Op{
			Client: c.number, Replica: c.target, Quantity: 1, Key: key, Status: status, Call: call, Return: time.Since(began), LockWait: -1,
		}, sku}
		if err != nil {
			o.Error = err.Error()
		}
		c.orders, c.bodies = append(c.orders, o), append(c.bodies, body)
		if err != nil {
			return // the next bytes on this connection may answer this order
		}
		if r.PerSecond == 0 && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
			time.Sleep(r.Pause + rand.N(2*r.Pause+1))
		}
	}
}

// finish parses the answers and returns the orders.
func (c *loopClient) finish() []Order {
	for i := range c.orders {
		if op := &c.orders[i].Op; op.Error != "" {
			op.Outcome = Unknown
		} else {
			op.read(c.bodies[i])
		}
	}
	return c.orders
}
