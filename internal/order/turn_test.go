package order

import (
	"context"
	"log/slog"
	"maps"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

// A lane keeps its lease while orders for the same SKUs keep coming, and releases it when
// none comes or somebody else wants it.
func TestTurn_Rests(t *testing.T) {
	t.Parallel()
	locks := locking.NewLocal()
	resting := func(again bool) *turn {
		lease, err := locks.Acquire(t.Context(), "A")
		if err != nil {
			t.Fatal(err)
		}
		return &turn{
			service: &Service{Log: slog.New(slog.DiscardHandler)}, lane: &lane{joined: make(chan struct{}, 1)},
			lease: lease, keys: []string{"A"}, again: again, since: time.Now(),
		}
	}
	came := resting(true)
	came.lane.joined <- struct{}{}
	if came.idle() || came.lease == nil {
		t.Error("the lease is gone, or the rest over, though somebody has come")
	}
	waiting := make(chan error)
	go func() {
		lease, err := locks.Acquire(context.Background(), "A")
		if err == nil {
			err = lease.Release(context.Background())
		}
		waiting <- err
	}()
	<-came.lease.Wanted()
	came.lane.joined <- struct{}{}
	if !came.idle() {
		t.Error("not given back, though another wants it")
	}
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	if nobody := resting(true); !nobody.idle() || nobody.lease != nil {
		t.Error("not given back, though nobody comes")
	}
	other := resting(false)
	other.lane.joined <- struct{}{}
	if !other.idle() || other.lease != nil {
		t.Error("not given back, though orders are for one thing after another")
	}
}

func TestTurn_WhatIsToldOfLevels(t *testing.T) {
	t.Parallel()
	levels := map[string]stock.Level{
		"A": {SKU: "A", OnHand: -3, Version: 7, Guard: stock.GuardNone},
		"B": {SKU: "B", OnHand: 1 << 40, Version: 1, Guard: stock.GuardPredicate},
	}
	notes := encodeLevels(levels)
	note := func(sku string) string { return notes[sku] }
	if told := decodeLevels([]string{"A", "B"}, note); !maps.Equal(told, levels) {
		t.Errorf("told %v, want %v", told, levels)
	}
	if told := decodeLevels([]string{"A", "B", "C"}, note); told != nil {
		t.Errorf("told %v, want nothing: of C nothing is known", told)
	}
	for _, broken := range []string{"1", "1 2", "x 2 none", "1 x none"} {
		if told := decodeLevels([]string{"A"}, func(string) string { return broken }); told != nil {
			t.Errorf("told %v by %q", told, broken)
		}
	}
}

// A level that a group has read, and not sold from, is not known to the next: the cached
// one may be wrong, and no order is refused on it alone.
func TestTurn_KeepsWhatPostgresHasSaid(t *testing.T) {
	t.Parallel()
	levels := map[string]stock.Level{"A": {SKU: "A", OnHand: 1, Version: 2}, "B": {SKU: "B", OnHand: 5, Version: 1000}}
	sold := []Order{{Lines: []PlacedLine{{SKU: "A", Quantity: 1, Remaining: 0, StockVersion: 3}}}}
	want := map[string]stock.Level{"A": {SKU: "A", Version: 3}, "B": levels["B"]}
	for name, row := range map[string]struct {
		before map[string]stock.Level
		sure   map[string]bool
		want   map[string]stock.Level
	}{
		"B is looked at":        {nil, map[string]bool{}, nil},
		"B is confirmed":        {nil, map[string]bool{"B": true}, want},
		"all are known already": {levels, map[string]bool{}, want},
	} {
		turn := &turn{service: &Service{Shortages: stock.NewShortages(nil)}, keys: []string{"A", "B"}, levels: maps.Clone(row.before)}
		turn.learn(sold, &view{levels: maps.Clone(levels), sure: row.sure})
		if !maps.Equal(turn.levels, row.want) {
			t.Errorf("%s: knows %v, want %v", name, turn.levels, row.want)
		}
	}
}

// A lane gives its lease back in time, even if nobody else was seen to want it.
func TestTurn_EndsAtItsLimit(t *testing.T) {
	t.Parallel()
	lease, err := locking.NewLocal().Acquire(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	held := &turn{service: &Service{}, lease: lease, keys: []string{"A"}, since: time.Now()}
	if !held.goesOn() {
		t.Error("a lease that was just taken is not kept")
	}
	held.since = time.Now().Add(-turnLimit - time.Millisecond)
	if held.goesOn() {
		t.Error("the lease is kept beyond the limit")
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
