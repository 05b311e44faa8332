package main

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
)

// stockRedis is the Redis that the deployment's levels are in.
func (d deployment) stockRedis(t *testing.T) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(d.stock)
	if err != nil {
		t.Fatal(err)
	}
	server := redis.NewClient(options)
	t.Cleanup(func() { server.Close() })
	return server
}

// While Redis is emptied and lied to, every unit is sold and nobody is told
// "sold out" before that; then one replica dies, and the other still keeps Redis
// right.
func TestServe_ReconcilesWhileItSells(t *testing.T) {
	t.Parallel()
	const units = 200
	d := newDeployment(t)
	r1, r2 := d.start(t, "r1", "redis"), d.start(t, "r2", "redis")
	r1.mustSet(t, "A-1", units, "predicate")
	levels := d.stockRedis(t)
	var buyers sync.WaitGroup
	var sold, spoiled atomic.Int64
	for n := range 8 {
		r := []*replica{r1, r2}[n%2]
		buyers.Go(func() {
			for range units / 8 {
				if status, answer := r.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
					t.Errorf("answered %d %v with units left", status, answer)
				}
				var err error
				switch n := sold.Add(1); n % 25 {
				case 0:
					err = levels.FlushDB(t.Context()).Err()
				case 5:
					err = levels.HSet(t.Context(), "orderd:stock:A-1", "level", 0).Err()
				case 10:
					err = levels.HSet(t.Context(), "orderd:stock:A-1", "level", units, "version", 5000).Err()
				default:
					continue
				}
				spoiled.Add(1)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	buyers.Wait()
	if spoiled.Load() == 0 {
		t.Error("Redis was left alone")
	}
	await(t, "Redis to say that nothing is left", func() bool {
		return levels.HGet(t.Context(), "orderd:stock:A-1", "level").Val() == "0" &&
			levels.HGet(t.Context(), "orderd:stock:A-1", "version").Val() == fmt.Sprint(units+1)
	})
	if status, answer := r2.send(t, http.MethodPost, "/v1/orders", orderOne); answer["code"] != "sold_out" {
		t.Errorf("answered %d %v with nothing left", status, answer)
	}

	if err := r1.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r1.Done()
	if err := levels.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	await(t, "the other replica to fill Redis again", func() bool {
		return levels.HGet(t.Context(), "orderd:stock:A-1", "level").Val() == "0"
	})
}
