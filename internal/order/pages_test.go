package order_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"orderd/internal/locking"
	"orderd/internal/order"
)

// page returns a field of each item of a page, and the cursor of the next one.
func (s *shop) page(t *testing.T, path, field string) (values []string, next string) {
	t.Helper()
	rec := s.send(t, http.MethodGet, path, "")
	var body struct {
		Items []map[string]any `json:"items"`
		Next  string           `json:"next_cursor"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("%s is answered %d %s", path, rec.Code, rec.Body)
	}
	for _, item := range body.Items {
		values = append(values, fmt.Sprint(item[field]))
	}
	return values, body.Next
}

// Whoever follows the cursors sees each row once, and comes to an end.
func TestPages_HaveEachRowOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, locking.NewNone())
	const rows = 5
	for i := range rows {
		s.mustSet(t, fmt.Sprint("S-", i), 10, "")
		s.mustPlace(t, order.Request{Lines: one("S-0")})
	}
	for path, field := range map[string]string{"/v1/stock": "sku", "/v1/orders": "id"} {
		var seen []string
		for cursor, pages := "", 0; pages == 0 || cursor != ""; pages++ {
			values, next := s.page(t, path+"?limit=2&cursor="+cursor, field)
			if len(values) > 2 || pages > rows {
				t.Fatalf("%s: page %d has %d items, want 2 at most, and an end", path, pages+1, len(values))
			}
			seen, cursor = append(seen, values...), next
		}
		if distinct := slices.Compact(slices.Sorted(slices.Values(seen))); len(seen) != rows || len(distinct) != rows {
			t.Errorf("%s: %v, want %d rows, each once", path, seen, rows)
		}
	}
	if versions, _ := s.page(t, "/v1/stock/S-0/movements?limit=2&after_version=1", "version"); !slices.Equal(versions, []string{"2", "3"}) {
		t.Errorf("movements after version 1: %v, want 2 and 3", versions)
	}
	for path, most := range map[string]int{"/v1/stock": 500, "/v1/orders": 500, "/v1/stock/S-0/movements": 1000} {
		for limit, want := range map[int]int{most: http.StatusOK, most + 1: http.StatusUnprocessableEntity} {
			if rec := s.send(t, http.MethodGet, fmt.Sprintf("%s?limit=%d", path, limit), ""); rec.Code != want {
				t.Errorf("%s with limit %d is answered %d, want %d", path, limit, rec.Code, want)
			}
		}
	}
}
