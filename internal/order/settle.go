package order

import (
	"orderd/internal/stock"
)

// A shelf is one SKU while a group is settled: what the orders settled so far have left of
// it.
type shelf struct {
	stock.Level
	fence int64
	token int64 // of the lease

	units, lines int64 // taken by the group
}

// A rule decides whether a line may have its units from a shelf. Its error is the order's
// answer.
type rule func(*shelf, Line) error

// enough admits a line if there are enough units.
func enough(s *shelf, line Line) error {
	if s.OnHand < line.Quantity {
		return &stock.ShortError{SKU: line.SKU, Requested: line.Quantity, Remaining: max(0, s.OnHand)}
	}
	return nil
}

// guarded admits a line if the row's guard does.
func guarded(s *shelf, line Line) error {
	switch s.Guard {
	case stock.GuardPredicate:
		return enough(s, line)
	case stock.GuardFence:
		if s.fence > s.token {
			return ErrLeaseLost
		}
	case stock.GuardClaim:
		if s.fence != s.token {
			return ErrLeaseLost
		}
	case stock.GuardNone:
	}
	return nil
}

// settle processes the orders one after the other, as if each had come alone: all of an
// order's lines or none. It returns what each was given, or why it was refused, and leaves
// in the shelves what is left. Lines are sorted and have no SKU twice, as merge returns
// them.
func settle(shelves map[string]*shelf, orders []Request, let rule) ([][]PlacedLine, []error) {
	placed := make([][]PlacedLine, len(orders))
	refused := make([]error, len(orders))
	for i := range orders {
		if refused[i] = check(shelves, orders[i].Lines, let); refused[i] == nil {
			placed[i] = take(shelves, orders[i].Lines)
		}
	}
	return placed, refused
}

func check(shelves map[string]*shelf, lines []Line, let rule) error {
	for _, line := range lines {
		s, known := shelves[line.SKU]
		if !known {
			return &stock.UnknownSKUError{SKU: line.SKU}
		}
		if err := let(s, line); err != nil {
			return err
		}
	}
	return nil
}

func take(shelves map[string]*shelf, lines []Line) []PlacedLine {
	placed := make([]PlacedLine, len(lines))
	for i, line := range lines {
		s := shelves[line.SKU]
		s.OnHand -= line.Quantity
		s.Version++
		s.units += line.Quantity
		s.lines++
		placed[i] = PlacedLine{line.SKU, line.Quantity, s.OnHand, s.Version}
	}
	return placed
}
