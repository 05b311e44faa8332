package main

import (
	"slices"
	"testing"
)

func TestMemoryTuner_LimitGrowsWithTheConnections(t *testing.T) {
	t.Parallel()
	var set []int64
	c := &memoryTuner{limit: func(bytes int64) { set = append(set, bytes/limitStep) }}
	base := int64(limitBase / limitStep)
	for _, row := range []struct {
		what string
		more int
		want []int64
	}{
		{"as many as the base is for", connectionsStep, nil},
		{"one more", 1, []int64{base + 1}},
		{"one fewer, and one more: no to and fro", -1, nil},
		{"far more", 2 * connectionsStep, []int64{base + 2}},
		{"half a step fewer", -connectionsStep / 2, nil},
		{"all gone", -(5*connectionsStep/2 + 1) + 1, []int64{base}},
	} {
		set = nil
		c.count(row.more)
		if !slices.Equal(set, row.want) {
			t.Errorf("%s: the limit is set to %v steps, want %v", row.what, set, row.want)
		}
	}
}
