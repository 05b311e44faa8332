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

// testRenewalMeetsRelease releases leases at about the time at which they are renewed. A
// renewal that the server executes after the release must not bring the key back.
func testRenewalMeetsRelease(t *testing.T, o Options) {
	b := o.Backend(t)
	l := o.OpenAt(t, b.Addr, o.TTL)
	mustRecover(t, l, newKey(t))
	keys := make([]string, 64)
	var group sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(*races))
	for i := range keys {
		keys[i] = newKey(t)
		group.Go(func() {
			for left.Add(-1) >= 0 {
				// So many renewals at once may make the server too slow for some time.
				lease, err := acquire(newContext(t), limit, l, keys[i])
				if err != nil {
					t.Errorf("Acquire() = %v", err)
					return
				}
				due := max(time.Until(lease.Until())-o.TTL*2/3, time.Millisecond)
				timer := time.NewTimer(due - due/8 + rand.N(due/4))
				<-timer.C
				// Its error may be ErrLost or ErrUnknown: the TTL is short for a busy
				// machine.
				_ = lease.Release(t.Context())
			}
		})
	}
	group.Wait()
	mustBeClean(t, b, keys...)
}
