package main

import (
	"slices"
	"testing"
)

func TestMemoryTuner_LimitGrowsWithTheConnections(t *testing.T) {
	t.Parallel()
	var set []int64
	c := &memoryTuner{limit: func(bytes int64) { set = append(set, (bytes-limitBase)/limitStep) }}
	for _, row := range []struct {
		what string
		more int
		want []int64
	}{
		{"as many as the base is for", baseConnections, nil},
		{"one more", 1, []int64{1}},
		{"one fewer: no to and fro", -1, nil},
		{"one more again", 1, nil},
		{"far more", 2 * connectionsStep, []int64{3}},
		{"not half a step fewer", -connectionsStep / 2, nil},
		{"half a step fewer", -connectionsStep / 2, []int64{2}},
	} {
		set = nil
		c.count(row.more)
		if !slices.Equal(set, row.want) {
			t.Errorf("%s: the limit is set to %v steps, want %v", row.what, set, row.want)
		}
	}
	set = nil
	for c.connections > 0 {
		c.count(-1)
	}
	if want := []int64{1, 0}; !slices.Equal(set, want) {
		t.Errorf("as all leave the limit is set to %v steps, want %v", set, want)
	}
}
