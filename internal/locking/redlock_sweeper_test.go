package locking

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"orderd/internal/stack/stacktest"
)

// Close tries once more to settle every doubt, however many there are, and when they are due.
func TestRedlockSweeper_CloseSettlesAll(t *testing.T) {
	t.Parallel()
	options, err := redis.ParseURL(stacktest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	r, err := NewRedlock(RedlockConfig{
		Masters: []*redis.UniversalOptions{{Addrs: []string{options.Addr}, DB: options.DB}}, TTL: time.Minute, Owner: "r1",
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &r.nodes[0].sweeper
	const doubts = 5*sweepBatch/2 + 1
	w.mu.Lock() // so that it does not begin before they are all there
	for n := range doubts {
		lock, owner := fmt.Sprintf("orderd:redlock:%d", n), fmt.Sprintf("owner-%d", n)
		if err := client.Set(t.Context(), lock, owner+"|7|1", time.Minute).Err(); err != nil {
			t.Fatal(err)
		}
		w.doubts[redlockDoubt{lock, owner}] = &redlockFate{due: time.Now().Add(time.Hour), over: time.Now().Add(time.Hour)}
	}
	w.running = r.workers.run(w.sweep)
	w.mu.Unlock()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if n := client.DBSize(t.Context()).Val(); n != 0 || len(w.doubts) != 0 {
		t.Errorf("%d locks and %d doubts are left, want none", n, len(w.doubts))
	}
}
