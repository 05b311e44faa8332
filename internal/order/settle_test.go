package order

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"orderd/internal/stock"
)

// modelRow is a SKU in the model: what a shop with a single till would know.
type modelRow struct {
	guard         stock.Guard
	left, version int64
	fence         int64
}

const modelToken = 50

// sellOne sells one order by the rules as the README states them, and knows
// nothing of groups.
func sellOne(rows map[string]modelRow, lines []Line) ([]PlacedLine, error) {
	after := maps.Clone(rows)
	var placed []PlacedLine
	for _, line := range lines {
		row, ok := after[line.SKU]
		if !ok {
			return nil, stock.ErrUnknownSKU
		}
		switch {
		case row.guard == stock.GuardPredicate && row.left < line.Quantity:
			return nil, stock.ErrShort
		case row.guard == stock.GuardFence && row.fence > modelToken,
			row.guard == stock.GuardClaim && row.fence != modelToken:
			return nil, ErrLeaseLost
		}
		row.left -= line.Quantity
		row.version++
		after[line.SKU] = row
		placed = append(placed, PlacedLine{line.SKU, line.Quantity, row.left, row.version})
	}
	maps.Copy(rows, after)
	return placed, nil
}

func drawGroup(t *rapid.T) (map[string]modelRow, [][]Line) {
	skus := []string{"a", "b", "c", "unknown"}
	rows := map[string]modelRow{}
	for _, sku := range skus[:3] {
		rows[sku] = modelRow{
			guard:   rapid.SampledFrom([]stock.Guard{"predicate", "predicate", "fence", "claim", "none"}).Draw(t, "guard"),
			left:    rapid.Int64Range(-2, 30).Draw(t, "left"),
			version: rapid.Int64Range(1, 1000).Draw(t, "version"),
			fence:   rapid.Int64Range(modelToken-1, modelToken+1).Draw(t, "fence"),
		}
	}
	line := rapid.Custom(func(t *rapid.T) Line {
		return Line{rapid.SampledFrom(skus).Draw(t, "sku"), rapid.Int64Range(1, 8).Draw(t, "quantity")}
	})
	orders := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []Line {
		lines, err := merge(rapid.SliceOfN(line, 1, 5).Draw(t, "lines")) // repeated SKUs among them
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}), 1, 12).Draw(t, "orders")
	return rows, orders
}

// However orders are grouped, each is answered as if it had come alone.
func TestSettle_asOneByOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rows, orders := drawGroup(t)
		shelves := map[string]*shelf{}
		for sku, row := range rows {
			shelves[sku] = &shelf{
				Level: stock.Level{SKU: sku, OnHand: row.left, Version: row.version, Guard: row.guard},
				fence: row.fence, token: modelToken,
			}
		}
		placed, refused := settle(shelves, requests(orders), guarded)
		for i, lines := range orders {
			want, err := sellOne(rows, lines)
			if !reflect.DeepEqual(placed[i], want) || !errors.Is(refused[i], err) || (err == nil) != (refused[i] == nil) {
				t.Fatalf("order %d, %v: placed %v, %v; want %v, %v", i, lines, placed[i], refused[i], want, err)
			}
		}
		for sku, s := range shelves {
			if row := rows[sku]; s.OnHand != row.left || s.Version != row.version {
				t.Fatalf("%s: %d left at version %d, want %d at %d", sku, s.OnHand, s.Version, row.left, row.version)
			}
		}
	})
}

func TestSettle_refusalsNameWhatIsLeft(t *testing.T) {
	t.Parallel()
	shelves := map[string]*shelf{"a": {Level: stock.Level{SKU: "a", OnHand: 3, Guard: stock.GuardPredicate}}}
	_, refused := settle(shelves, requests([][]Line{{{"a", 2}}, {{"a", 2}}, {{"a", 1}}, {{"b", 1}}}), guarded)
	want := []string{"", (&stock.ShortError{SKU: "a", Requested: 2, Remaining: 1}).Error(), "", (&stock.UnknownSKUError{SKU: "b"}).Error()}
	for i, err := range refused {
		if got := fmt.Sprint(err); err != nil && got != want[i] || err == nil && want[i] != "" {
			t.Errorf("order %d: %v, want %q", i, err, want[i])
		}
	}
}
