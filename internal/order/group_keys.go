package order

import "context"

// commitOthers commits the group's orders except those whose keys are in use, which it
// refuses with ErrInFlight: a client's retry must not fail other orders. Keys are looked up
// only here, after a group has failed, so that they cost nothing in groups whose keys are
// all new, which is nearly all of them.
func (l *Ledger) commitOthers(ctx context.Context, d groupDraft) ([]Order, []error, error) {
	inUse, err := l.keysInUse(ctx, d.orders)
	if err != nil {
		return nil, nil, err
	}
	rest := groupDraft{token: d.token, held: d.held} // whose outcome is not known in advance
	var places []int                                 // of the rest: their indexes in d.orders
	orders, refused := make([]Order, len(d.orders)), make([]error, len(d.orders))
	for i, r := range d.orders {
		if inUse[i] {
			refused[i] = ErrInFlight
			continue
		}
		rest.orders, places = append(rest.orders, r), append(places, i)
	}
	if len(places) == 0 {
		return orders, refused, nil
	}
	// The recursion ends: each time there are fewer keys.
	placed, unplaced, err := l.CommitGroup(ctx, rest)
	if err != nil {
		return nil, nil, err
	}
	for i, at := range places {
		orders[at], refused[at] = placed[i], unplaced[i]
	}
	return orders, refused, nil
}

// keysInUse reports, for each request of a group that failed because of its keys, whether
// its key is in use: it has an order, or an earlier request of the group has the same key.
// If none is, a transaction that has not committed is writing one of them, and which one is
// not visible: then all keys count as in use.
func (l *Ledger) keysInUse(ctx context.Context, orders []Request) ([]bool, error) {
	var keyed []Request
	for i := range orders {
		if orders[i].Key != "" {
			keyed = append(keyed, orders[i])
		}
	}
	placed, err := l.replays(ctx, keyed)
	if err != nil {
		return nil, err
	}
	seen := map[claimedKey]bool{}
	for k := range placed {
		seen[k] = true
	}
	inUse, some := make([]bool, len(orders)), false
	for i := range orders {
		if k := (claimedKey{orders[i].Client, orders[i].Key}); k.key != "" {
			inUse[i], seen[k] = seen[k], true
			some = some || inUse[i]
		}
	}
	for i := range orders {
		inUse[i] = inUse[i] || !some && orders[i].Key != ""
	}
	return inUse, nil
}
