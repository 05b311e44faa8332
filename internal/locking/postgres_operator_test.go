package locking_test

import (
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

func TestPostgres_operatorsSeeAndEvict(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	postgresDatabase(t, url)
	one, other := connected(t, openPostgres(t, url, longTTL)), connected(t, openPostgres(t, url, longTTL))
	if s, err := one.Inspect(t.Context(), "a"); err != nil || s != (locking.Status{}) {
		t.Errorf("Inspect() of a free key = %+v, %v", s, err)
	}
	began := time.Now()
	lease := lockingtest.MustAcquire(t, one, "a")
	got := lockingtest.GoAcquire(t, other, "a", "b")

	var s locking.Status
	lockingtest.Eventually(t, "there is a waiter", func() (waiting bool) {
		var err error
		if s, err = other.Inspect(t.Context(), "a"); err != nil {
			t.Errorf("Inspect() = %v", err)
		}
		return s.Waiters == 1
	})
	if !strings.HasPrefix(s.Owner, "test:") || s.Token != lease.Token("a") {
		t.Errorf("Owner %q, Token %d; want test:…, %d", s.Owner, s.Token, lease.Token("a"))
	}
	if s.Since.Before(began.Add(-time.Second)) || s.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("Since %v, want about %v", s.Since, began)
	}
	if left := time.Until(s.Until); left < longTTL/2 || left > longTTL {
		t.Errorf("Until is in %v, want about %v", left, longTTL)
	}

	if evicted, err := other.Evict(t.Context(), "a", s.Owner+"0"); evicted || err != nil {
		t.Errorf("Evict() of another owner = %v, %v", evicted, err)
	}
	limit, err := other.NextToken(t.Context(), "a")
	if err != nil || limit <= lease.Token("a") {
		t.Errorf("NextToken() = %d, %v, want more than %d", limit, err, lease.Token("a"))
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); !evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	lockingtest.MustLose(t, lease, soon)
	next := <-got
	if next.Token("a") <= limit || next.Token("b") <= limit {
		t.Errorf("tokens %d and %d after %d", next.Token("a"), next.Token("b"), limit)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() of a later holder = %v, %v", evicted, err)
	}
	lockingtest.MustRelease(t, next)
}

// A cart that still waits for a key has no token yet, and will have a larger
// one than an operator can name.
func TestPostgres_aCartThatWaitsIsNotEvicted(t *testing.T) {
	t.Parallel()
	url := stacktest.Postgres(t)
	db := postgresDatabase(t, url)
	one, other := connected(t, openPostgres(t, url, longTTL)), connected(t, openPostgres(t, url, longTTL))
	lease := lockingtest.MustAcquire(t, other, "b")
	lockingtest.MustRelease(t, lockingtest.MustAcquire(t, one, "c")) // the cart's session has had a token
	got := lockingtest.GoAcquire(t, one, "a", "b")
	lockingtest.Eventually(t, "the cart has its first key", func() bool {
		return len(postgresSessions(t, db, "a")) > 0
	})
	s, err := other.Inspect(t.Context(), "a")
	if err != nil || s.Owner == "" {
		t.Fatalf("Inspect() = %+v, %v; want a holder", s, err)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	lockingtest.MustRelease(t, lease)
	lockingtest.MustRelease(t, <-got)
}
