package access

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A Rate is how many requests are admitted: PerSecond on average, and Burst at once. The zero
// value admits all.
type Rate struct {
	PerSecond float64
	Burst     int
}

// UnmarshalText reads "RATE" or "RATE:BURST". Without a burst it is one second's worth, rounded
// up.
func (r *Rate) UnmarshalText(text []byte) error {
	perSecond, burst, withBurst := strings.Cut(string(text), ":")
	n, err := strconv.ParseFloat(perSecond, 64)
	if err != nil || !(n >= 0.001 && n <= 1e6) {
		return errors.New("must be a number of requests a second, from 0.001 to 1000000, or RATE:BURST")
	}
	r.PerSecond, r.Burst = n, int(math.Ceil(n))
	if withBurst {
		if r.Burst, err = strconv.Atoi(burst); err != nil || r.Burst < 1 || r.Burst > 1e6 {
			return errors.New("the burst must be 1 to 1000000 requests")
		}
	}
	return nil
}

// String is the text that UnmarshalText reads.
func (r Rate) String() string { return fmt.Sprintf("%g:%d", r.PerSecond, r.Burst) }

func (r Rate) limiter() *rate.Limiter {
	if r == (Rate{}) {
		return rate.NewLimiter(rate.Inf, 0)
	}
	return rate.NewLimiter(rate.Limit(r.PerSecond), r.Burst)
}

// The number of buckets is bounded, since without API keys there can be as many as there are
// addresses.
const (
	maxBuckets = 10_000
	sweepEvery = time.Second
)

// Limits bound the rate of requests of each client, and of all together.
type Limits struct {
	each Rate
	all  *rate.Limiter

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
	rest    *rate.Limiter // shared by the clients for which there is no bucket
	swept   time.Time
}

// NewLimits returns limits with a rate for each client and one for all together.
func NewLimits(each, all Rate) *Limits {
	return &Limits{each: each, all: all.limiter(), buckets: map[string]*rate.Limiter{}, rest: each.limiter()}
}

// Admit admits a request of a client, or returns how long to wait before the next try. A
// request that is turned away takes no token.
func (l *Limits) Admit(client string) (wait time.Duration, ok bool) {
	// Checked and taken under one lock: a reservation that is cancelled gives nothing back if
	// there was another since, so that a flood would drain the bucket.
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now() // read under the lock: for the buckets time must not go back
	own := l.bucket(client, now)
	if wait := max(missing(own, now), missing(l.all, now)); wait > 0 {
		return wait, false
	}
	own.AllowN(now, 1)
	l.all.AllowN(now, 1)
	return 0, true
}

// missing returns how long it takes until the bucket has a token.
func missing(bucket *rate.Limiter, now time.Time) time.Duration {
	if bucket.Limit() == rate.Inf {
		return 0
	}
	tokens := 1 - bucket.TokensAt(now)
	return time.Duration(tokens / float64(bucket.Limit()) * float64(time.Second))
}

// bucket returns the client's bucket. The caller holds l.mu.
func (l *Limits) bucket(client string, now time.Time) *rate.Limiter {
	if l.each == (Rate{}) {
		return l.rest
	}
	if b, ok := l.buckets[client]; ok {
		return b
	}
	if len(l.buckets) >= maxBuckets && !l.sweep(now) {
		return l.rest
	}
	b := l.each.limiter()
	l.buckets[client] = b
	return b
}

// sweep removes the buckets that are full again, which are as good as new ones, and reports
// whether there is room.
func (l *Limits) sweep(now time.Time) bool {
	if now.Sub(l.swept) < sweepEvery {
		return false
	}
	l.swept = now
	for client, b := range l.buckets {
		if b.TokensAt(now) >= float64(l.each.Burst) {
			delete(l.buckets, client)
		}
	}
	return len(l.buckets) < maxBuckets
}
