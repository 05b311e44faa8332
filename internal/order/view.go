package order

import (
	"context"
	"errors"

	"orderd/internal/stock"
)

// A view is what is known of a group's stock before the commit.
type view struct {
	levels  map[string]stock.Level
	sure    map[string]bool // SKUs whose level Postgres has confirmed: a cached or handed-over one is a hint
	shelves map[string]*shelf
	lost    map[string]error // SKUs that a later lease has claimed
}

// enough admits a line if there seem to be enough units.
func (v *view) enough(s *shelf, line Line) error {
	if err := v.lost[line.SKU]; err != nil {
		return err
	}
	return enough(s, line)
}

// certain reports whether the group may be committed optimistically: whether the guards of
// all its rows are satisfied if their levels are as expected.
func (v *view) certain() bool {
	for _, s := range v.shelves {
		if s.Guard != stock.GuardPredicate {
			return false
		}
	}
	return true
}

// view reads the stock of all the orders at once. Levels that are too low for all of them
// together are confirmed: no order is refused on a cached level alone.
func (t *turn) view(ctx context.Context, orders []Request) (*view, error) {
	ctx, look := begin(ctx, "stock")
	defer look.end()
	levels, err := t.look(ctx)
	if err != nil {
		return nil, err
	}
	wanted := map[string]int64{}
	for i := range orders {
		for _, line := range orders[i].Lines {
			wanted[line.SKU] += line.Quantity
		}
	}
	v := &view{levels: levels, sure: map[string]bool{}, shelves: map[string]*shelf{}, lost: map[string]error{}}
	for sku, level := range levels {
		if level.Guard == stock.GuardClaim {
			claimed, err := t.service.claim(ctx, t.lease, sku)
			switch {
			case errors.Is(err, ErrLeaseLost):
				v.lost[sku] = err
			case err != nil:
				return nil, err
			default:
				level, v.sure[sku] = claimed, true
			}
		}
		if level.OnHand < wanted[sku] && !v.sure[sku] {
			// A shared answer may be older than the lease. Although too low for the whole group, it may be
			// higher than the level is now: where the guard does not check the level, orders would be sold from
			// it.
			confirm := t.service.Shortages.Confirm
			if level.Guard != stock.GuardPredicate {
				confirm = t.service.Shortages.ConfirmFresh
			}
			confirmed, err := confirm(ctx, sku, wanted[sku])
			if err != nil {
				return nil, err
			}
			// What the turn knows may be newer than a shared answer. A cached level is only a hint, whatever
			// version it has: it may have been set by hand, or be from before Postgres was restored.
			if t.levels == nil || confirmed.Version >= level.Version {
				level, v.sure[sku] = confirmed, true
			}
		}
		levels[sku] = level // for the turn's next group, too
		v.shelves[sku] = &shelf{Level: level}
	}
	return v, nil
}
