package stack

import (
	"errors"
	"strconv"
	"testing"
	"time"
)

func TestRedisWithClock(t *testing.T) {
	t.Parallel()
	s := mustOpen(t)
	r, clock, err := s.RedisWithClock(t.Context(), "redis-clock")
	if missing := Clocks(); missing != nil {
		if !errors.Is(err, ErrNoClock) || !errors.Is(missing, ErrNoClock) {
			t.Errorf("without libfaketime: %v and %v, want ErrNoClock", err, missing)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(t.Context(), "SET", "lock", "mine", "PX", "60000"); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "GET", "lock"); got != "mine" {
		t.Fatalf("GET = %q, %v before the clock jumps", got, err)
	}
	if err := clock.Shift(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "EXISTS", "lock"); got != "0" {
		t.Errorf("EXISTS = %q, %v two minutes on, want the key expired", got, err)
	}
	before := time.Now().Add(-time.Minute).Unix()
	if err := clock.Shift(-2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got, err := r.Do(t.Context(), "EVAL", "return redis.call('TIME')[1]", "0"); err != nil || got > strconv.FormatInt(before, 10) {
		t.Errorf("TIME = %s, %v, want two minutes behind, before %d", got, err, before)
	}
}
