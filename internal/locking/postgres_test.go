package locking_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
)

func TestNewPostgres_refusesBadSettings(t *testing.T) {
	t.Parallel()
	refusesBadSettings(t, locking.NewPostgres, func() locking.PostgresConfig {
		return locking.PostgresConfig{URL: "postgres://nobody@127.0.0.1:1/none", TTL: time.Second, Owner: "a"}
	}, map[string]func(*locking.PostgresConfig){
		"another URL":            func(c *locking.PostgresConfig) { c.URL = "http://127.0.0.1" },
		"no TTL":                 func(c *locking.PostgresConfig) { c.TTL = 0 },
		"too short TTL":          func(c *locking.PostgresConfig) { c.TTL = time.Millisecond },
		"no owner":               func(c *locking.PostgresConfig) { c.Owner = "" },
		"fewer than no sessions": func(c *locking.PostgresConfig) { c.MaxConns = -1 },
	})
}

func TestPostgres_withoutTheSequenceNothingIsGranted(t *testing.T) {
	t.Parallel()
	p := openPostgres(t, stacktest.Postgres(t), longTTL)
	for range 2 {
		_, err := p.Acquire(t.Context(), "a")
		if !errors.Is(err, locking.ErrUnavailable) || !strings.Contains(err.Error(), "orderd_lock_token") {
			t.Errorf("Acquire() = %v, want ErrUnavailable and the sequence's name", err)
		}
	}
}
