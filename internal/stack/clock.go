package stack

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// ErrNoClock is returned where no server's clock can be set.
var ErrNoClock = errors.New("stack: libfaketime is not installed (Debian and Ubuntu: apt-get install libfaketime)")

// A Clock is the wall clock of one server.
type Clock struct{ file string }

// Clocks returns ErrNoClock where RedisWithClock would.
func Clocks() error {
	_, err := defaultFinder().fakeTime()
	return err
}

// fakeTime returns what to preload into a program to set its clock. The C library has to be
// named too: without it, Debian's Redis calls its allocator, which asks for the time, before
// libfaketime is ready, and aborts.
func (f finder) fakeTime() (preload string, err error) {
	libraries, cs := matches(f.fakeTimes), matches(f.libcs)
	if len(libraries) == 0 || len(cs) == 0 {
		return "", ErrNoClock
	}
	return libraries[0] + " " + cs[0], nil
}

// RedisWithClock starts a Redis server as Redis does, with a wall clock of its own, which it
// also returns. Its monotonic clock is the machine's.
func (s *Stack) RedisWithClock(ctx context.Context, name string) (*Redis, *Clock, error) {
	preload, err := s.find.fakeTime()
	if err != nil {
		return nil, nil, err
	}
	c := &Clock{filepath.Join(s.dir, name+".clock")}
	if err := c.Shift(0); err != nil {
		return nil, nil, err
	}
	r, err := s.redis(ctx, name, 1, []string{
		"LD_PRELOAD=" + preload, "FAKETIME_TIMESTAMP_FILE=" + c.file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
	}, func([]int) []string { return nil })
	return r, c, err
}

// Shift sets the clock ahead of the machine's by that much, at once, in whole seconds.
func (c *Clock) Shift(ahead time.Duration) error {
	text := fmt.Sprintf("%+ds\n", int(ahead.Seconds()))
	if err := replaceFile(c.file, []byte(text)); err != nil { // the server never reads half of it
		return fmt.Errorf("set the clock: %w", err)
	}
	return nil
}
