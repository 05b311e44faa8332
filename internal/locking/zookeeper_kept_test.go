package locking

import (
	"testing"
	"time"
)

// A release that has timed out, and whose place is left to sweep, may come to its end all the
// same: it must not keep what is about to be deleted.
func TestZooKeeper_whatIsLeftToBeSweptIsNotKept(t *testing.T) {
	t.Parallel()
	z := &ZooKeeper{}
	k := &zkKept{folder: "/f", node: "/f/n-1", timer: time.NewTimer(time.Hour)}
	z.keeping.all, z.keeping.idle = map[string]*zkKept{k.node: k}, map[string]*zkKept{}
	z.forget(k.node)
	if z.keep(k) || len(z.keeping.idle) > 0 {
		t.Error("a place that was forgotten is kept")
	}
}
