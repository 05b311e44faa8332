package order

import (
	"context"
	"log/slog"
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

func TestTurn_AnswersDoNotWaitForAServerThatHangs(t *testing.T) {
	t.Parallel()
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: deaf.Addr().String(), MaxRetries: -1})
	defer client.Close()
	lease, err := locking.NewNone().Acquire(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	turn := &turn{
		service: &Service{
			Cache: stock.NewCache(client, nil), Truth: stock.NewTruth(nil),
			Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
		},
		lease: lease, keys: []string{"A"},
		unwritten: map[string]stock.Level{"A": {SKU: "A", OnHand: 1, Version: 2}},
	}
	over := turn.giveWay(context.Background())
	select {
	case <-over:
		t.Error("the answers have waited for Redis, which says nothing")
	default:
	}
	if err := deaf.Close(); err != nil { // with it go the connections that nobody has taken
		t.Fatal(err)
	}
	<-over
	if turn.lease != nil {
		t.Error("the turn is over and has its lease still")
	}
}
