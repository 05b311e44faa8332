package locking_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
)

func TestRedlock_operatorsSeeAndEvict(t *testing.T) {
	t.Parallel()
	f := startFive(t)
	const ttl = 3 * time.Second
	one, other := openRedlock(t, f.addrs, ttl), openRedlock(t, f.addrs, ttl)
	if s, err := one.Inspect(t.Context(), "a"); err != nil || s != (locking.Status{}) {
		t.Errorf("Inspect() of a free key = %+v, %v", s, err)
	}
	began := time.Now()
	lease := lockingtest.MustAcquire(t, one, "a")
	s, err := other.Inspect(t.Context(), "a")
	if err != nil || !strings.HasPrefix(s.Owner, "test:") || s.Token != lease.Token("a") {
		t.Errorf("Inspect() = %+v, %v; want test:…, %d", s, err, lease.Token("a"))
	}
	if s.Since.Before(began.Add(-time.Second)) || s.Since.After(time.Now().Add(time.Second)) {
		t.Errorf("Since %v, want about %v", s.Since, began)
	}
	if left := time.Until(s.Until); left <= 0 || left > ttl {
		t.Errorf("Until is in %v, want up to %v", left, ttl)
	}
	if evicted, err := other.Evict(t.Context(), "a", s.Owner+"x"); evicted || err != nil {
		t.Errorf("Evict() of another owner = %v, %v", evicted, err)
	}
	limit, err := other.NextToken(t.Context(), "a")
	if err != nil || limit <= lease.Token("a") {
		t.Errorf("NextToken() = %d, %v, want more than %d", limit, err, lease.Token("a"))
	}
	f.signal(t, syscall.SIGKILL, 1, 2) // a minority, which does not matter
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); !evicted || err != nil {
		t.Errorf("Evict() = %v, %v", evicted, err)
	}
	next := lockingtest.MustAcquire(t, other, "a")
	if token := next.Token("a"); token <= limit {
		t.Errorf("token %d after %d", token, limit)
	}
	lockingtest.MustLose(t, lease, soon)
	if evicted, err := other.Evict(t.Context(), "a", s.Owner); evicted || err != nil {
		t.Errorf("Evict() of a later holder = %v, %v", evicted, err)
	}
	lockingtest.MustRelease(t, next)
	f.signal(t, syscall.SIGKILL, 3)
	_, err = other.NextToken(t.Context(), "a")
	_, err2 := other.Evict(t.Context(), "a", s.Owner)
	_, err3 := other.Inspect(t.Context(), "a")
	for _, err := range []error{err, err2, err3} {
		if !errors.Is(err, locking.ErrUnavailable) {
			t.Errorf("without a quorum: %v, want ErrUnavailable", err)
		}
	}
}
