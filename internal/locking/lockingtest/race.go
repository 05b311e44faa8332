package lockingtest

import (
	"flag"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var races = flag.Int("lockingtest.races", 1000,
	"how often each mode's suite has a renewal meet a release on its server")

// testRenewalMeetsRelease releases leases at about the time at which they are
// renewed. A renewal that comes behind its release must not bring the key back.
func testRenewalMeetsRelease(t *testing.T, o Options) {
	const shortest = 300 * time.Millisecond
	b := o.Backend(t)
	l := o.OpenAt(t, b.Addr, shortest)
	mustRecover(t, l, newKey(t))
	keys := make([]string, 64)
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(*races))
	for i := range keys {
		keys[i] = newKey(t)
		group.Go(func() {
			for left.Add(-1) >= 0 {
				lease := mustAcquire(t, l, keys[i])
				due := max(time.Until(lease.Until())-shortest*2/3, time.Millisecond)
				timer := time.NewTimer(due - due/8 + rand.N(due/4))
				<-timer.C
				// Its error may be ErrLost, or that it is not known: the TTL is
				// short for a machine that is busy elsewhere.
				_ = lease.Release(t.Context())
			}
		})
	}
	group.Wait()
	mustBeClean(t, b, keys...)
}
