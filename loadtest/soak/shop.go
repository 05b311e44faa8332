package soak

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"orderd/loadtest/load"
	"orderd/loadtest/modes"
)

const (
	skus        = 12
	firstStock  = 100
	restockMost = 100
	// restockEvery is how often it is checked whether more was sold than restocked. As much
	// is restocked as is sold, but not of the same SKUs: popular ones sell out now and then,
	// and come back.
	restockEvery = 50 * time.Millisecond
)

// A shop is the clients, and the administrator who restocks.
type shop struct {
	client  *load.Client
	targets int
	clock   time.Time
	skus    []string
	pace    *rate.Limiter
	clients []*client
	admin   *client
	sold    atomic.Int64 // units sold, less those restocked
}

func newShop(urls []string, p Plan, clock time.Time) *shop {
	s := &shop{
		client: load.NewClient(urls, clients), targets: len(urls), clock: clock,
		pace: rate.NewLimiter(rate.Limit(p.Rate), clients),
	}
	for i := range skus {
		s.skus = append(s.skus, fmt.Sprintf("S-%02d", i+1))
	}
	for n := range clients {
		s.clients = append(s.clients, s.newClient(n, p.Seed))
	}
	s.admin = s.newClient(clients, p.Seed)
	return s
}

func (s *shop) newClient(n int, seed uint64) *client {
	return &client{shop: s, number: n, random: rand.New(rand.NewPCG(seed, uint64(n))), sent: map[string]int{}} //nolint:gosec // a count from zero
}

func (s *shop) close() { s.client.Close() }

// stock sets the initial levels.
func (s *shop) stock(ctx context.Context) error {
	for _, sku := range s.skus {
		if err := s.client.SetStock(ctx, sku, firstStock, modes.Predicate); err != nil {
			return err
		}
	}
	return nil
}

// open has all clients send requests until closing is called, which waits for the last
// answers.
func (s *shop) open(ctx context.Context) (closing func()) {
	open, lock := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, c := range s.clients {
		all.Go(func() {
			for s.pace.Wait(open) == nil {
				c.step(ctx)
			}
		})
	}
	all.Go(func() {
		again := time.NewTicker(restockEvery)
		defer again.Stop()
		for {
			select {
			case <-open.Done():
				return
			case <-again.C:
				if s.sold.Load() > 0 {
					s.admin.restock(ctx)
				}
			}
		}
	})
	return func() {
		lock()
		all.Wait()
		s.client.Close() // so that idle connections do not count as the replicas' own
	}
}

func (s *shop) everybody() []*client { return append(slices.Clone(s.clients), s.admin) }

// history returns the orders of all clients, and their other requests sorted by Call.
func (s *shop) history() (ops []load.Op, acts []load.Action) {
	for _, c := range s.everybody() {
		ops, acts = append(ops, c.ops...), append(acts, c.acts...)
	}
	slices.SortStableFunc(acts, func(a, b load.Action) int { return cmp.Compare(a.Call, b.Call) })
	return ops, acts
}

// numbered sorts orders by Call and numbers them.
func numbered(ops []load.Op) []load.Op {
	slices.SortStableFunc(ops, func(a, b load.Op) int { return cmp.Compare(a.Call, b.Call) })
	for i := range ops {
		ops[i].Seq = i
	}
	return ops
}

// sent counts the requests by their kind.
func (s *shop) sent() map[string]int {
	sent := map[string]int{}
	for _, c := range s.everybody() {
		for kind, n := range c.sent {
			sent[kind] += n
		}
	}
	return sent
}

func (s *shop) requests() (n int) {
	for _, of := range s.sent() {
		n += of
	}
	return n
}
