package orders

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// What a scenario measures.
const (
	ours    = "orderd"
	three   = "pgbench"     // three statements in a transaction
	one     = "pgbench CTE" // one statement
	nothing = "nothing"     // a server whose handler does nothing
)

// A Scenario is one setup to be measured.
type Scenario struct {
	What     string  `json:"what"`
	Lock     string  `json:"lock,omitempty"`
	Replicas int     `json:"replicas,omitempty"`
	BatchMax int     `json:"batch_max,omitempty"`
	Clients  int     `json:"clients"` // at each replica
	SKUs     int     `json:"skus"`
	Zipf     bool    `json:"zipf,omitempty"`       // the nth SKU is ordered 1/n times as often as the first
	SoldOut  bool    `json:"sold_out,omitempty"`   // the SKUs have no units
	Large    bool    `json:"large,omitempty"`      // the database already has many sales
	Shop     bool    `json:"shop,omitempty"`       // clients and orders have keys, and events are delivered
	Rate     float64 `json:"per_second,omitempty"` // open loop; 0: closed
	// Of a crowd: how many orders are sent, and how long each group takes, so that orders
	// wait and are refused.
	Orders int           `json:"orders,omitempty"`
	Work   time.Duration `json:"work_ns,omitempty"`
}

// String names the scenario in tables.
func (s Scenario) String() string {
	name := s.What
	if s.What == ours {
		name = fmt.Sprintf("%s, %d × %d clients, groups of up to %d", s.Lock, s.Replicas, s.Clients, s.BatchMax)
		if s.BatchMax == 1 {
			name = fmt.Sprintf("%s, %d × %d clients, one by one", s.Lock, s.Replicas, s.Clients)
		}
	} else {
		name = fmt.Sprintf("%s, %d clients", name, s.Clients)
	}
	switch {
	case s.SoldOut:
		name += ", sold out"
	case s.SKUs == 1:
		name += ", one SKU"
	case s.Zipf:
		name += fmt.Sprintf(", %d SKUs, Zipf 1.0", s.SKUs)
	default:
		name += fmt.Sprintf(", %d SKUs", s.SKUs)
	}
	if s.Large {
		name += ", large database"
	}
	if s.Shop {
		name += ", with API keys, idempotency keys and events"
	}
	if s.Orders > 0 {
		name += fmt.Sprintf(", %d orders while each group takes %s", s.Orders, s.Work)
	}
	if s.Rate > 0 {
		name += fmt.Sprintf(", open loop at %.0f/s", s.Rate)
	}
	return name
}

// picks returns how each client chooses its next SKU; nil with a single SKU.
func (s Scenario) picks(seed uint64) func(client int) func() int {
	if s.SKUs == 1 {
		return nil
	}
	var cumulated []float64
	if s.Zipf {
		sum := 0.0
		for n := range s.SKUs {
			sum += 1 / float64(n+1)
			cumulated = append(cumulated, sum)
		}
	}
	return func(client int) func() int {
		random := rand.New(rand.NewPCG(seed, uint64(client))) //nolint:gosec // a count from zero
		if !s.Zipf {
			return func() int { return random.IntN(s.SKUs) }
		}
		return func() int { return sort.SearchFloat64s(cumulated, random.Float64()*cumulated[s.SKUs-1]) }
	}
}

// A Figure is a scenario and its measurements.
type Figure struct {
	Scenario
	Median Measurement   `json:"median"`
	Rounds []Measurement `json:"rounds"`
}

// least and most are the lowest and the highest rate of the rounds.
func (f Figure) least() float64 { return f.of(slices.Min[[]float64]) }
func (f Figure) most() float64  { return f.of(slices.Max[[]float64]) }

func (f Figure) of(choose func([]float64) float64) float64 {
	rates := make([]float64, len(f.Rounds))
	for i, m := range f.Rounds {
		rates[i] = m.PerSecond
	}
	return choose(rates)
}
