package order

import (
	"context"
	"errors"

	"orderd/internal/stock"
)

// A view is what is known of a group's stock before the commit.
type view struct {
	levels  map[string]stock.Level
	sure    map[string]bool // SKUs whose level Postgres has said: Redis' word, or the holder's before, is a hint
	shelves map[string]*shelf
	lost    map[string]error // SKUs that a later lease has claimed
}

// enough lets a line go if there seem to be units for it.
func (v *view) enough(s *shelf, line Line) error {
	if err := v.lost[line.SKU]; err != nil {
		return err
	}
	return enough(s, line)
}

// certain tells whether the group may be committed as it looks from here: all
// the rows' guards are satisfied if their levels are what they seem to be.
func (v *view) certain() bool {
	for _, s := range v.shelves {
		if s.Guard != stock.GuardPredicate {
			return false
		}
	}
	return true
}

// view looks at the stock of all the orders at once. Levels that are too low for
// all who want some are confirmed: nobody is refused on Redis' word alone.
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
			// An answer that is shared may be older than the lease. Too little for all of the group, it can
			// still be more than there is: where the row does not count its units, some would be sold from it.
			confirm := t.service.Shortages.Confirm
			if level.Guard != stock.GuardPredicate {
				confirm = t.service.Shortages.ConfirmFresh
			}
			confirmed, err := confirm(ctx, sku, wanted[sku])
			if err != nil {
				return nil, err
			}
			// What the turn knows may be newer than an answer that is shared. What Redis says is not
			// more than a hint, whatever version it claims: a hand or a restored Postgres may be behind it.
			if t.levels == nil || confirmed.Version >= level.Version {
				level, v.sure[sku] = confirmed, true
			}
		}
		levels[sku] = level // for the turn's next group, too
		v.shelves[sku] = &shelf{Level: level}
	}
	return v, nil
}
