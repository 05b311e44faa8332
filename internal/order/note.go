package order

import (
	"fmt"

	"orderd/internal/stock"
)

// encodeLevels returns the levels as notes, one for each SKU, to hand over to the lease's
// next holder.
func encodeLevels(levels map[string]stock.Level) map[string]string {
	notes := make(map[string]string, len(levels))
	for sku, level := range levels {
		notes[sku] = fmt.Sprintf("%d %d %s", level.OnHand, level.Version, level.Guard)
	}
	return notes
}

// decodeLevels returns the levels from the SKUs' notes, or nil unless every SKU has a valid
// one.
func decodeLevels(skus []string, note func(sku string) string) map[string]stock.Level {
	var levels map[string]stock.Level
	for _, sku := range skus {
		text, level := note(sku), stock.Level{SKU: sku}
		if text == "" {
			return nil // nearly always, if there are many SKUs
		}
		if n, err := fmt.Sscanf(text, "%d %d %s", &level.OnHand, &level.Version, &level.Guard); n != 3 || err != nil {
			return nil
		}
		if levels == nil {
			levels = make(map[string]stock.Level, len(skus))
		}
		levels[sku] = level
	}
	return levels
}
