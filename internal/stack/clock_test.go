package stack

import (
	"errors"
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
}
