package main

import (
	"net/http"
	"strings"
	"testing"

	"orderd/internal/stack/stacktest"
)

// The one URL syntax reaches every kind of Redis, for the stock and the locks.
func TestServe_OnSentinelAndCluster(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]func(t *testing.T) string{
		"Sentinel": func(t *testing.T) string {
			s := stacktest.Sentinel(t)
			return "redis+sentinel://" + s.Addrs[0] + "/0?master_name=" + s.MasterName + "&addr=" + strings.Join(s.Addrs[1:], "&addr=")
		},
		"Cluster": func(t *testing.T) string {
			addrs := stacktest.RedisCluster(t).Addrs
			return "redis+cluster://" + addrs[0] + "?addr=" + strings.Join(addrs[1:], "&addr=")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDeployment(t)
			d.stock, d.locks = url(t), url(t)
			r := d.start(t, "r1", "redis")
			for _, sku := range []string{"A-1", "B-1", "C-1"} {
				r.mustSet(t, sku, 1, "predicate")
			}
			const cart = `{"lines":[{"sku":"A-1","quantity":1},{"sku":"B-1","quantity":1},{"sku":"C-1","quantity":1}]}`
			if status, answer := r.send(t, http.MethodPost, "/v1/orders", cart); status != http.StatusCreated {
				t.Errorf("the order was answered %d %v, want 201", status, answer)
			}
			if status, answer := r.send(t, http.MethodPost, "/v1/orders", cart); status != http.StatusConflict {
				t.Errorf("the next order was answered %d %v, want 409", status, answer)
			}
		})
	}
}
