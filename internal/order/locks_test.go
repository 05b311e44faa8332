package order_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

type lockBody struct {
	Held    bool      `json:"held"`
	Owner   string    `json:"owner"`
	Token   int64     `json:"token"`
	Since   time.Time `json:"held_since"`
	Until   time.Time `json:"held_until"`
	Waiters int       `json:"waiters"`
	Evicted bool      `json:"evicted"`
	Fence   int64     `json:"fence"`
}

func (s *shop) lock(t *testing.T, method, sku string) lockBody {
	t.Helper()
	rec := s.send(t, method, "/v1/locks/"+sku, "")
	var body lockBody
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("%s /v1/locks/%s: %d %s", method, sku, rec.Code, rec.Body)
	}
	return body
}

// An evicted holder loses the lock and, more importantly, the fence is above its token: what
// it still writes is refused, so that a level that it read before cannot be sold twice.
func TestLocks_EvictedHolderIsFenced(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 2, stock.GuardFence)
	if got := s.lock(t, http.MethodGet, "A-1"); got.Held || got.Owner != "" {
		t.Errorf("a lock that nobody holds: %+v", got)
	}

	before := time.Now()
	lease, err := s.Locks.Acquire(t.Context(), "A-1")
	if err != nil {
		t.Fatal(err)
	}
	got := s.lock(t, http.MethodGet, "A-1")
	const skew = time.Second
	if !got.Held || !strings.HasPrefix(got.Owner, "r1:") || got.Token != lease.Token("A-1") ||
		got.Since.Before(before.Add(-skew)) || !got.Until.After(before) {
		t.Errorf("a lock that is held: %+v, want owner r1, token %d", got, lease.Token("A-1"))
	}

	evicted := s.lock(t, http.MethodDelete, "A-1")
	if !evicted.Evicted || evicted.Owner != got.Owner || evicted.Fence <= got.Token {
		t.Errorf("eviction = %+v, want that of %s with a fence above %d", evicted, got.Owner, got.Token)
	}
	var fence int64
	if err := s.db.QueryRow(t.Context(), "SELECT fence FROM stock WHERE sku = 'A-1'").Scan(&fence); err != nil || fence != evicted.Fence {
		t.Errorf("fence = %d, %v; want %d before anybody else has written", fence, err, evicted.Fence)
	}
	if s.lock(t, http.MethodGet, "A-1").Held {
		t.Error("the lock is still held")
	}
	if _, err := s.Place(t.Context(), one("A-1")); err != nil {
		t.Errorf("the next order: %v", err)
	}
	if err := lease.Release(t.Context()); err == nil {
		t.Error("Release() = nil for a lease that was taken away")
	}
}

// An observedEvictor shows the moments of an eviction.
type observedEvictor struct {
	*locking.Redis
	drawn, evicting func()
}

func (e *observedEvictor) NextToken(ctx context.Context, sku string) (int64, error) {
	token, err := e.Redis.NextToken(ctx, sku)
	e.drawn()
	return token, err
}

func (e *observedEvictor) Evict(ctx context.Context, sku, owner string) (bool, error) {
	e.evicting()
	return e.Redis.Evict(ctx, sku, owner)
}

// At no moment both the old holder and a new one could write.
func TestLocks_TheFenceIsRaisedBeforeTheEviction(t *testing.T) {
	t.Parallel()
	e := &observedEvictor{Redis: openRedisLocks(t).(*locking.Redis), drawn: func() {}}
	s := openShop(t, e)
	s.mustSet(t, "A-1", 5, stock.GuardFence)
	lease, err := e.Acquire(t.Context(), "A-1")
	if err != nil {
		t.Fatal(err)
	}
	var fence int64
	e.evicting = func() {
		if err := s.db.QueryRow(t.Context(), "SELECT fence FROM stock").Scan(&fence); err != nil {
			t.Error(err)
		}
	}
	if got := s.lock(t, http.MethodDelete, "A-1"); !got.Evicted || fence <= lease.Token("A-1") {
		t.Errorf("%+v with the fence at %d, want it evicted with a fence above %d", got, fence, lease.Token("A-1"))
	}
	if err := lease.Release(t.Context()); !errors.Is(err, locking.ErrLost) {
		t.Errorf("Release() = %v, want ErrLost", err)
	}
}

// Who acquires the lock after the eviction was asked for is not meant.
func TestLocks_ANewerHolderIsNotEvicted(t *testing.T) {
	t.Parallel()
	e := &observedEvictor{Redis: openRedisLocks(t).(*locking.Redis), evicting: func() {}}
	s := openShop(t, e)
	s.mustSet(t, "A-1", 5, stock.GuardFence)
	var lease *locking.Lease
	e.drawn = func() {
		var err error
		if lease, err = e.Acquire(t.Context(), "A-1"); err != nil {
			t.Error(err)
		}
	}
	if got := s.lock(t, http.MethodDelete, "A-1"); got.Evicted {
		t.Errorf("%+v, want nobody evicted", got)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Errorf("Release() = %v", err)
	}
}

func TestLocks_WhatAModeCannotDo(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		locks  locking.Locker
		method string
		sku    string
		status int
		code   string
	}{
		{"none has no locks", locking.NewNone(), http.MethodGet, "A-1", 501, "unsupported"},
		{"local evicts nobody", locking.NewLocal(), http.MethodDelete, "A-1", 501, "unsupported"},
		{"not a SKU", locking.NewLocal(), http.MethodGet, "%20", 422, "invalid"},
		{"no such SKU", openRedisLocks(t), http.MethodDelete, "A-1", 404, "not_found"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rec := openShop(t, row.locks).send(t, row.method, "/v1/locks/"+row.sku, "")
			var problem struct{ Code string }
			_ = json.Unmarshal(rec.Body.Bytes(), &problem)
			if rec.Code != row.status || problem.Code != row.code {
				t.Errorf("%d %s, want %d %s", rec.Code, rec.Body, row.status, row.code)
			}
		})
	}
}
