package main

import (
	"fmt"
	"net/http"
	"sync"
	"syscall"
	"testing"
)

// Two replicas sell, one in groups and one order by order, and one of them dies. Every movement
// of the ledger is delivered, those of each SKU in version order.
func TestServe_TellsOfEveryChangeInOrder(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	d.env = []string{"ORDERD_EVENTS_STREAM=orderd:events"}
	r1, r2 := d.start(t, "r1", "redis", patient...), d.start(t, "r2", "redis", append(patient, "--batch-max", "1")...)
	skus := []string{"A-1", "B-1", "C-1"}
	for _, sku := range skus {
		r1.mustSet(t, sku, 1000, "predicate")
	}
	var buyers sync.WaitGroup
	for n := range 12 {
		buyers.Go(func() {
			r := []*replica{r1, r2}[n%2]
			for i := range 20 {
				body := fmt.Sprintf(`{"lines":[{"sku":%q,"quantity":1},{"sku":%q,"quantity":2}]}`, skus[(n+i)%3], skus[(n+i+1)%3])
				status, answer := r.send(t, http.MethodPost, "/v1/orders", body)
				if status != http.StatusCreated {
					t.Errorf("answered %d %v", status, answer)
					continue
				}
				if i%5 == 0 {
					r.send(t, http.MethodPost, fmt.Sprintf("/v1/orders/%s/cancel", answer["id"]), "{}")
				}
			}
		})
	}
	buyers.Wait()
	if err := r1.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r1.Done()
	r2.send(t, http.MethodPost, "/v1/stock/A-1/adjustments", `{"delta":1,"reason":"restock"}`)

	server := d.stockRedis(t)
	want := 0
	for _, sku := range skus {
		_, item := r2.send(t, http.MethodGet, "/v1/stock/"+sku, "")
		want += int(item["version"].(float64))
	}
	reasons := map[any]int{}
	await(t, fmt.Sprintf("%d events", want), func() bool {
		last, n := map[any]string{}, 0
		clear(reasons)
		for _, e := range server.XRange(t.Context(), "orderd:events", "-", "+").Val() {
			var version, before int
			_, _ = fmt.Sscan(fmt.Sprint(e.Values["version"]), &version)
			_, _ = fmt.Sscan(last[e.Values["sku"]], &before)
			if version <= before {
				continue // delivered again, since the replica that had delivered it is dead
			}
			if version != before+1 {
				t.Fatalf("version %d of %v follows %d", version, e.Values["sku"], before)
			}
			last[e.Values["sku"]] = fmt.Sprint(version)
			reasons[e.Values["reason"]]++
			n++
		}
		return n == want
	})
	if reasons["created"] != 3 || reasons["sale"] != 12*20*2 || reasons["cancel"] != 12*4*2 || reasons["restock"] != 1 {
		t.Errorf("told of %v", reasons)
	}
}
