package orders

import (
	"context"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A crowd is far more clients than a replica admits, at a replica that is slow: on one SKU
// its lane is full, on many it has no room for more requests. A client that is refused
// retries at once. What matters is the memory that this takes.
const (
	crowdClients = 1024
	crowdOrders  = 200_000
	crowdWork    = 500 * time.Millisecond // of each group
	memoryGoal   = 64                     // MiB
	// crowdLimit is when sending ends, even if some orders have not been sent.
	crowdLimit = 2 * time.Minute
)

// crowd sends the orders and measures the refusals. Admitted orders wait for their group,
// which is not what is measured.
func crowd(ctx context.Context, r load.Generator) (Measurement, []load.Order, error) {
	r.Lasts = crowdLimit
	orders, _, err := r.Run(ctx)
	if err != nil {
		return Measurement{}, nil, err
	}
	var m Measurement
	var latencies []time.Duration
	var last time.Duration
	for _, o := range orders {
		switch o.Outcome {
		case load.Busy:
			latencies, last = append(latencies, o.Latency()), max(last, o.Return)
		case load.Confirmed:
		default:
			m.Others++
		}
	}
	m.Latency = report.PercentilesOf(latencies)
	if last > 0 {
		m.PerSecond = float64(len(latencies)) / last.Seconds()
	}
	return m, orders, nil
}
