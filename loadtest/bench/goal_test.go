package bench

import (
	"slices"
	"testing"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0},
		{[]float64{3}, 3},
		{[]float64{9, 1}, 5},
		{[]float64{9, 1, 2}, 2},
		{[]float64{4, 1, 9, 2}, 3},
	} {
		before := slices.Clone(row.values)
		if got := Median(row.values); got != row.want {
			t.Errorf("Median(%v) = %v, want %v", row.values, got, row.want)
		}
		if !slices.Equal(row.values, before) {
			t.Errorf("Median changed %v to %v", before, row.values)
		}
	}
}
