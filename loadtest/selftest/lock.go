package selftest

import (
	"maps"
	"math"
	"slices"
	"time"

	"orderd/loadtest/audit"
)

// ttl is how long a lease lasts. margin is how much of it must be left before a commit: the
// steps after it are sure to end by then.
const (
	ttl    = 40 * time.Millisecond
	margin = 10 * time.Millisecond
)

// A lock grants leases of several keys, first come, first served.
type lock struct {
	shop    *shop
	owners  map[string]*lease // as the lock service has it
	inside  map[string]*lease // as it is: the last to be let in, by key
	waiting []*waiter
	token   int64
}

type lease struct {
	keys    []string
	token   int64
	replica string
	asked   time.Duration
	entered time.Duration
	expires time.Duration
	left    bool
}

type waiter struct {
	lease   *lease
	granted func(*lease)
}

// acquire calls granted once the caller holds the keys.
func (l *lock) acquire(replica string, keys []string, granted func(*lease)) {
	l.waiting = append(l.waiting, &waiter{&lease{keys: keys, replica: replica, asked: l.shop.now}, granted})
	l.grant()
}

// grant lets in the waiters whose keys are free and not wanted by an earlier waiter.
func (l *lock) grant() {
	wanted := map[string]bool{}
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		free := !slices.ContainsFunc(w.lease.keys, func(key string) bool { return wanted[key] || l.owned(key) })
		if !free && !l.shop.strikes(GrantsTwice, 8) {
			for _, key := range w.lease.keys {
				wanted[key] = true
			}
			return false
		}
		l.enter(w.lease)
		l.shop.after(l.shop.some(time.Millisecond), func() { w.granted(w.lease) })
		return true
	})
}

func (l *lock) owned(key string) bool {
	owner := l.owners[key]
	return owner != nil && owner.expires > l.shop.now
}

func (l *lock) enter(entering *lease) {
	l.token++
	if l.shop.bug == TokenGoesBack && l.token == 30 {
		l.token = 1
	}
	entering.token, entering.entered, entering.expires = l.token, l.shop.now, l.shop.now+ttl
	for _, key := range entering.keys {
		if other := l.inside[key]; other != nil && !other.left && other.expires > l.shop.now {
			l.shop.struck(GrantsTwice, DeletesAnothers)
		}
		l.owners[key], l.inside[key] = entering, entering
	}
	l.shop.after(ttl+1, l.grant) // waiters may be waiting for it to expire
}

// release gives back those keys that are still the lease's own. Its holder left the critical
// section with this call, or when the lease ended.
func (l *lock) release(done *lease) {
	done.left = true
	still := slices.ContainsFunc(done.keys, func(key string) bool { return l.owners[key] == done })
	if still && l.shop.strikes(KeepsALock, 100) {
		l.shop.struck(KeepsALock)
		done.expires = math.MaxInt64
		return
	}
	for _, key := range done.keys {
		l.shop.records.Leases = append(l.shop.records.Leases, audit.Lease{
			Key: key, Replica: done.replica, Token: done.token,
			Asked: done.asked, Entered: done.entered, Left: min(l.shop.now, done.expires),
		})
		if l.owners[key] == done || l.shop.bug == DeletesAnothers {
			delete(l.owners, key)
		}
	}
	l.grant()
}

// held lists the keys that are held.
func (l *lock) held() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.owners)), func(key string) bool { return !l.owned(key) })
}
