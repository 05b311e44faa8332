package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"orderd/internal/stack/stacktest"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// stockRedis returns a client of the Redis with the deployment's levels.
func (d deployment) stockRedis(t *testing.T) *redis.Client {
	t.Helper()
	return stacktest.OpenRedis(t, d.stock)
}

// While Redis is flushed and given wrong levels, every unit is sold and no order is refused as
// sold out before that; then one replica dies, and the other keeps repairing Redis.
func TestServe_ReconcilesWhileItSells(t *testing.T) {
	t.Parallel()
	const units = 200
	d := newDeployment(t)
	r1, r2 := d.start(t, "r1", "redis", patient...), d.start(t, "r2", "redis", patient...)
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

// The report and the exit codes of orderd reconcile --check.
func TestReconcile_Check(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	r := d.start(t, "r1", "redis", "--reconcile-every", "0s")
	r.mustSet(t, "A-1", 10, "predicate")
	r.mustSet(t, "B-1", 10, "predicate")
	r.send(t, http.MethodPost, "/v1/orders", orderOne)
	check := []string{"reconcile", "--check", "--database-url", d.database, "--redis-url", d.stock}
	out, err := runHere(t, check...)
	if err != nil || !strings.Contains(out, "checked: 2 SKUs, 3 movements, 1 orders") ||
		!strings.Contains(out, "found: levels 0, ledger 0, orders 0, redis 0\n") {
		t.Errorf("a check of right books = %v, %s", err, out)
	}

	levels := d.stockRedis(t)
	levels.Del(t.Context(), "orderd:stock:B-1")
	if out, err := runHere(t, check...); err != nil || !strings.Contains(out, "1 levels are not in it") {
		t.Errorf("a check with a level missing in Redis = %v, %s", err, out)
	}
	levels.HSet(t.Context(), "orderd:stock:A-1", "level", 77)
	out, err = runHere(t, check...)
	if !errors.Is(err, errFindings) || exitCode(err) != 1 ||
		!strings.Contains(out, "redis   A-1: high: Redis has 77 at version 2, guard predicate; Postgres 9 at version 2") {
		t.Errorf("a check of a wrong Redis = %v, %s", err, out)
	}
	if got := levels.HGet(t.Context(), "orderd:stock:A-1", "level").Val(); got != "77" {
		t.Errorf("the check has changed the level to %s", got)
	}
	if out, err := runHere(t, check[:4]...); err != nil || strings.Contains(out, "Redis") {
		t.Errorf("a check without Redis = %v, %s", err, out)
	}

	db, err := pgx.Connect(t.Context(), d.database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	if _, err := db.Exec(t.Context(), "INSERT INTO stock (sku, on_hand) SELECT 'X-' || n, 1 FROM generate_series(1, 250) AS n"); err != nil {
		t.Fatal(err)
	}
	out, err = runHere(t, check[:4]...)
	if exitCode(err) != 1 || strings.Count(out, "has no movements") != findingsShown || !strings.Contains(out, "found: levels 250,") {
		t.Errorf("a check of wrong levels = %v, %s; want %d of 250 listed", err, out, findingsShown)
	}

	for code, args := range map[int][]string{
		2: {"reconcile", "--database-url", d.database},
		4: {"reconcile", "--check", "--database-url", "postgres://" + stacktest.UnusedAddress(t) + "/x"},
	} {
		if out, err := runHere(t, args...); exitCode(err) != code {
			t.Errorf("%v = %v, %s; want exit code %d", args, err, out, code)
		}
	}
}
