package stock_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"orderd/internal/stock"
)

// meanwhile calls do once, after the first answer from Redis: between the two looks at a level.
type meanwhile struct {
	done atomic.Bool
	do   func(context.Context)
}

func (*meanwhile) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (*meanwhile) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (m *meanwhile) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		if m.done.CompareAndSwap(false, true) {
			m.do(ctx)
		}
		return err
	}
}

// A level that its order writes back a little late has not drifted, and neither has one that is
// stale because more was sold since.
func TestDrifts_WhatIsWrittenBackMeanwhileHasNotDrifted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		late int // how many changes are not written back at the second look
		want []stock.Direction
	}{
		"all of it":          {0, nil},
		"more was sold":      {1, nil},
		"not even the first": {2, []stock.Direction{stock.High}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openShop(t)
			mustSet(t, s.store, "A-1", 10, "")
			levels := []stock.Level{{SKU: "A-1", OnHand: 10, Version: 1, Guard: stock.GuardPredicate}}
			sell := func() {
				item, _, err := s.store.Adjust(t.Context(), stock.Adjustment{SKU: "A-1", Delta: -1, Reason: "broken"})
				if err != nil {
					t.Error(err)
				}
				levels = append(levels, item.Level)
			}
			if err := s.cache.PutNewer(t.Context(), levels[0]); err != nil {
				t.Fatal(err)
			}
			sell()
			client := redis.NewClient(s.redis.Options())
			t.Cleanup(func() { client.Close() })
			client.AddHook(&meanwhile{do: func(ctx context.Context) {
				sell()
				if err := s.cache.PutNewer(ctx, levels[len(levels)-1-test.late]); err != nil {
					t.Error(err)
				}
			}})
			var got []stock.Direction
			err := stock.Drifts(t.Context(), s.store, stock.NewCache(client, s.store), func(drifts []stock.Drift) error {
				for _, d := range drifts {
					got = append(got, d.Direction)
				}
				return nil
			})
			if err != nil || len(got) != len(test.want) || len(got) > 0 && got[0] != test.want[0] {
				t.Errorf("Drifts = %v, %v; want %v", got, err, test.want)
			}
		})
	}
}
