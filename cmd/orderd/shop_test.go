package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// keyed sends an order with an idempotency key. The status is 0 if the replica has died.
func (r *replica) keyed(t *testing.T, key string) (status int, replayed bool, id string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.url+"/v1/orders", strings.NewReader(orderOne))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	resp, err := client.Do(req)
	if err != nil {
		return 0, false, ""
	}
	defer resp.Body.Close()
	var answer struct{ ID string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, false, ""
	}
	return resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true", answer.ID
}

// A replica is killed with an order in flight: before it is written, or as soon as it is. The
// client, which may have had no answer, retries at another replica with the same key, and there
// is one order.
func TestServe_AKeyOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		work    string
		written bool
	}{
		"before the order is written": {"9s", false},
		"once the order is written":   {"100ms", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			r1, r2 := d.start(t, "r1", "redis", "--work", row.work, "--lock-ttl", "3s"), d.start(t, "r2", "redis", patient...)
			r1.mustSet(t, "A-1", 1, "predicate")
			told := make(chan string, 1)
			go func() {
				_, _, id := r1.keyed(t, "k")
				told <- id
			}()
			db, err := pgx.Connect(t.Context(), d.database)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close(context.Background())
			await(t, "r1 to have the order", func() (there bool) {
				sql := "SELECT exists (SELECT FROM orders)"
				if !row.written {
					_, lock := r2.send(t, http.MethodGet, "/v1/locks/A-1", "")
					return lock["held"] == true
				}
				return db.QueryRow(t.Context(), sql).Scan(&there) == nil && there
			})
			if err := r1.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			first := <-told
			<-r1.Done()
			status, replayed, id := r2.keyed(t, "k")
			if status != http.StatusCreated || replayed != row.written || first != "" && first != id {
				t.Errorf("the retry is answered %d, replayed %v, order %s (%q before); want replayed %v", status, replayed, id, first, row.written)
			}
			_, stock := r2.send(t, http.MethodGet, "/v1/stock/A-1", "")
			if stock["sold"] != 1.0 || stock["on_hand"] != 0.0 {
				t.Errorf("stock %v, want one sold", stock)
			}
		})
	}
}

// The units of a hold come back although the replica that placed it is dead.
func TestServe_AHoldOutlivesItsReplica(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	// It may die with the lock, which then expires after the TTL.
	r1, r2 := d.start(t, "r1", "redis", "--lock-ttl", "3s"), d.start(t, "r2", "redis", patient...)
	r1.mustSet(t, "A-1", 1, "predicate")
	const hold = `{"lines":[{"sku":"A-1","quantity":1}],"hold_seconds":1}`
	status, order := r1.send(t, http.MethodPost, "/v1/orders", hold)
	if status != http.StatusCreated || order["status"] != "held" {
		t.Fatalf("the hold is answered %d %v", status, order)
	}
	if err := r1.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, "the units to come back", func() bool {
		_, stock := r2.send(t, http.MethodGet, "/v1/stock/A-1", "")
		return stock["on_hand"] == 1.0 && stock["sold"] == 0.0 && stock["received"] == 1.0
	})
	path := "/v1/orders/" + order["id"].(string)
	if status, expired := r2.send(t, http.MethodGet, path, ""); status != http.StatusOK || expired["status"] != "expired" {
		t.Errorf("the order is %v, want it expired", expired)
	}
	if status, answer := r2.send(t, http.MethodPost, path+"/confirm", ""); status != http.StatusConflict || answer["code"] != "hold_expired" {
		t.Errorf("confirm is answered %d %v, want 409 hold_expired", status, answer)
	}
	if status, answer := r2.send(t, http.MethodPost, "/v1/orders", orderOne); status != http.StatusCreated {
		t.Errorf("the next order is answered %d %v, want the unit sold", status, answer)
	}
}
