package order

import (
	"fmt"
	"strings"
	"testing"
)

func TestParts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ group, want string }{
		{"a", "[a]"},
		{"a b a", "[a a] [b]"},
		{"ab c b", "[ab b] [c]"},
		{"a b c bc a", "[a a] [b c bc]"},
		{"a b c ab bc d", "[a b ab c bc] [d]"},
	} {
		var group []*waiter
		for _, cart := range strings.Fields(row.group) {
			w := &waiter{}
			for _, sku := range cart {
				w.Lines = append(w.Lines, Line{SKU: string(sku), Quantity: 1})
			}
			group = append(group, w)
		}
		var got []string
		for _, part := range parts(group) {
			var carts []string
			for _, w := range part {
				cart := ""
				for _, line := range w.Lines {
					cart += line.SKU
				}
				carts = append(carts, cart)
			}
			got = append(got, fmt.Sprint(carts))
		}
		if fmt.Sprint(got) != "["+row.want+"]" {
			t.Errorf("parts of %q = %v, want %s", row.group, got, row.want)
		}
	}
}
