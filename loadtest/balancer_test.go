package main

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/fleet"
)

// Without the lock server no replica is ready. The balancer sends them orders nevertheless,
// which they refuse themselves; everything else goes on.
func TestBalance_WhileNoReplicaIsReady(t *testing.T) {
	t.Parallel()
	f, err := fleet.Open(t.Context(), orderd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	replicas, err := f.Start(t.Context(), fleet.Setup{Mode: "redis", Replicas: 2, LockWait: time.Second, BatchMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	url, err := f.Balance(t.Context(), replicas)
	if err != nil {
		t.Fatal(err)
	}
	send := func(method, path, body string) (status int, text, by string) {
		req, err := http.NewRequestWithContext(t.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer), resp.Header.Get("X-Orderd-Replica")
	}
	const sku, order = "/v1/stock/B-1", `{"lines":[{"sku":"B-1","quantity":1}]}`
	if status, body, _ := send(http.MethodPut, sku, `{"on_hand":5}`); status != http.StatusCreated {
		t.Fatalf("the stock is answered %d %s", status, body)
	}
	if status, body, _ := send(http.MethodPost, "/v1/orders", order); status != http.StatusCreated {
		t.Fatalf("an order is answered %d %s", status, body)
	}
	if err := f.Locks.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	await := time.Now().Add(20 * time.Second)
	for status := http.StatusOK; status != http.StatusServiceUnavailable; status, _, _ = send(http.MethodGet, "/readyz", "") {
		if time.Now().After(await) {
			t.Fatal("the replicas are ready for 20 s without their locks")
		}
	}
	// The balancer finds out within two seconds, on a machine that is not too slow.
	for until := time.Now().Add(4 * time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if status, body, by := send(http.MethodGet, sku, ""); status != http.StatusOK || by == "" {
			t.Fatalf("the stock is answered %d %s by %q, want 200", status, body, by)
		}
	}
	if status, body, by := send(http.MethodPost, "/v1/orders", order); status != http.StatusServiceUnavailable || by == "" || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("an order is answered %d %s by %q, want a replica's problem", status, body, by)
	}
}
