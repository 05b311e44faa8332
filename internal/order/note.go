package order

import (
	"fmt"

	"orderd/internal/stock"
)

// notesOf returns what a lane tells of levels to whoever holds the lease next, or
// nil if it knows of none.
func notesOf(levels map[string]stock.Level) map[string]string {
	if len(levels) == 0 {
		return nil
	}
	notes := make(map[string]string, len(levels))
	for sku, level := range levels {
		notes[sku] = fmt.Sprintf("%d %d %s", level.OnHand, level.Version, level.Guard)
	}
	return notes
}

// levelsTold returns the levels in the notes on SKUs, or nil if not all of them
// have one that can be read.
func levelsTold(skus []string, note func(sku string) string) map[string]stock.Level {
	levels := make(map[string]stock.Level, len(skus))
	for _, sku := range skus {
		level := stock.Level{SKU: sku}
		if n, err := fmt.Sscanf(note(sku), "%d %d %s", &level.OnHand, &level.Version, &level.Guard); n != 3 || err != nil {
			return nil
		}
		levels[sku] = level
	}
	return levels
}
