package report

import (
	"testing"

	"orderd/loadtest/load"
)

func TestCount_AttemptsOfOneKeyAreOneOrder(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		attempts []load.Outcome
		want     Orders
	}{
		"answered for at last":          {[]load.Outcome{load.Unknown, load.Busy, load.SoldOut}, Orders{SoldOut: 1}},
		"confirmed at last":             {[]load.Outcome{load.Failed, load.Unknown, load.Confirmed}, Orders{Confirmed: 1}},
		"confirmed, and asked again":    {[]load.Outcome{load.Confirmed, load.Unknown, load.Busy}, Orders{Confirmed: 1}},
		"open: refused for want of aid": {[]load.Outcome{load.Unknown, load.Failed, load.Busy}, Orders{Unknown: 1}},
		"open again":                    {[]load.Outcome{load.SoldOut, load.Unknown}, Orders{Unknown: 1}},
		"never come so far":             {[]load.Outcome{load.Failed, load.Busy}, Orders{Busy: 1}},
	} {
		ops := []load.Op{{Key: "other", Outcome: load.Confirmed}, {Outcome: load.Busy}, {Outcome: load.Busy}} // without a key each is an order
		for _, outcome := range row.attempts {
			ops = append(ops, load.Op{Key: "k", Outcome: outcome})
		}
		row.want.Confirmed++
		row.want.Busy += 2
		if got := count(ops); got != row.want {
			t.Errorf("%s: %+v, want %+v", name, got, row.want)
		}
	}
}
