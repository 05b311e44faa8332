package audit

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"orderd/loadtest/load"
)

// The linear checks run first and leave the search nothing to find; here it has to find it by
// itself.
func TestSearch_ASecondOpinionOfItsOwn(t *testing.T) {
	t.Parallel()
	sold := func(call, ret int, left int64) load.Op {
		return load.Op{Quantity: 1, Outcome: load.Confirmed, Left: left, Call: time.Duration(call) * time.Second, Return: time.Duration(ret) * time.Second}
	}
	refused := func(call, ret int) load.Op {
		return load.Op{Quantity: 1, Outcome: load.SoldOut, Call: time.Duration(call) * time.Second, Return: time.Duration(ret) * time.Second}
	}
	unknown := refused(0, 9)
	unknown.Outcome = load.Unknown
	busy := refused(0, 9)
	busy.Outcome = load.Busy
	for name, row := range map[string]struct {
		ops  []load.Op
		want porcupine.CheckResult
	}{
		"two, and then none":                   {[]load.Op{sold(0, 2, 1), sold(1, 3, 0), refused(2, 4), busy}, porcupine.Ok},
		"one unit sold twice":                  {[]load.Op{sold(0, 2, 1), sold(1, 3, 1)}, porcupine.Illegal},
		"one more than there was":              {[]load.Op{sold(0, 2, 1), sold(1, 3, 0), sold(2, 4, -1)}, porcupine.Illegal},
		"refused before it was sold":           {[]load.Op{refused(0, 1), sold(2, 3, 1), sold(2, 3, 0)}, porcupine.Illegal},
		"refused while the last was being had": {[]load.Op{refused(0, 3), sold(1, 3, 1), sold(1, 4, 0)}, porcupine.Ok},
		"sold in the wrong sequence":           {[]load.Op{sold(0, 1, 0), sold(2, 3, 1)}, porcupine.Illegal},
		"the unknown one took it":              {[]load.Op{sold(0, 1, 1), unknown, refused(3, 4)}, porcupine.Ok},
		"the unknown one did not":              {[]load.Op{sold(0, 1, 1), unknown, sold(3, 4, 0)}, porcupine.Ok},
	} {
		b := open(Records{Ops: row.ops, Ledger: []load.Movement{{Version: 1, OnHand: 2}}})
		if got := porcupine.CheckOperations(b.skus[0].counter(), b.history(b.skus[0])); got != (row.want == porcupine.Ok) {
			t.Errorf("%s: %v, want %s", name, got, row.want)
		}
	}
}
