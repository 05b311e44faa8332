package load

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A Drive is a closed loop: each client sends its next order once its last one has been
// answered. Orders go to the replicas in turn.
type Drive struct {
	SKU      string
	Clients  int
	Orders   int // in total
	Quantity int64
	// Progress is called after each answer, from many goroutines; may be nil.
	Progress func()
}

// Run sends the orders until all are answered or ctx ends. It returns them in the sequence in
// which they were sent, and how long it took.
func (d Drive) Run(ctx context.Context, c *Client) ([]Op, time.Duration) {
	var next atomic.Int64
	var clients sync.WaitGroup
	began := time.Now() // its monotonic reading is the base of all times
	histories := make([][]Op, d.Clients)
	for client := range d.Clients {
		clients.Go(func() {
			for ctx.Err() == nil {
				seq := int(next.Add(1)) - 1
				if seq >= d.Orders {
					return
				}
				op := Op{Seq: seq, Client: client, Quantity: d.Quantity, Call: time.Since(began)}
				c.Order(ctx, seq, d.SKU, &op)
				op.Return = time.Since(began)
				histories[client] = append(histories[client], op)
				if d.Progress != nil {
					d.Progress()
				}
			}
		})
	}
	clients.Wait()
	took := time.Since(began)
	return inSequence(histories), took
}

// inSequence merges the clients' histories by sequence number, leaving out numbers without an
// order.
func inSequence(histories [][]Op) []Op {
	most := 0
	for _, h := range histories {
		for _, op := range h {
			most = max(most, op.Seq+1)
		}
	}
	slots := make([]*Op, most)
	for _, h := range histories {
		for i := range h {
			slots[h[i].Seq] = &h[i]
		}
	}
	ops := make([]Op, 0, most)
	for _, op := range slots {
		if op != nil {
			ops = append(ops, *op)
		}
	}
	return ops
}
