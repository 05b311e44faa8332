package locking_test

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/locking/lockingtest"
	"orderd/internal/stack/stacktest"
)

// Redis is the mode that hands notes over.
func TestRedis_notesAreHandedOn(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longTTL), redisClient(t, url)
	held := mustHold(t, l, "a")
	next, last := waitFor(t, l, "a"), waitFor(t, l, "a")
	if !held.PassOn(t.Context(), map[string]string{"a": "5 left"}) {
		t.Fatal("not passed on, though two wait")
	}
	lease := <-next
	if note := lease.Note("a"); note != "5 left" {
		t.Errorf("the note is %q", note)
	}
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Token != lease.Token("a") || strings.Contains(s.Owner, "left") {
		t.Errorf("Inspect() = %+v, %v; want the token %d, and the owner without the note", s, err, lease.Token("a"))
	}
	// Replicas of the previous version look for the token there.
	lock, _, _ := locking.RedisNames("a")
	if value := client.Get(t.Context(), lock).Val(); !regexp.MustCompile(fmt.Sprintf(`^test:\w+:\d+\|.*\|%d\|\d+$`, lease.Token("a"))).MatchString(value) {
		t.Errorf("the lock is %q, want the token and the time at its end", value)
	}
	lockingtest.MustRelease(t, lease) // without a note
	lease = <-last
	if note := lease.Note("a"); note != "" {
		t.Errorf("the note is %q, want none: the holder before has left none", note)
	}
	lockingtest.MustRelease(t, lease)
}

// Of several keys those that have waiters are passed on; the others stay the holder's, as
// whoever takes them gets no note.
func TestRedis_onlyWhatIsWaitedForIsHandedOn(t *testing.T) {
	t.Parallel()
	l := openRedis(t, stacktest.Redis(t), longTTL)
	held := mustHold(t, l, "a", "b")
	next := waitFor(t, l, "b")
	if held.PassOn(t.Context(), map[string]string{"a": "5 left", "b": "6 left"}) {
		t.Error("passed on, though nobody waits for a")
	}
	lease := <-next
	if note := lease.Note("b"); note != "6 left" {
		t.Errorf("the note is %q", note)
	}
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Owner == "" {
		t.Errorf("Inspect(a) = %+v, %v; want it held", s, err)
	}
	lockingtest.MustRelease(t, held)
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Owner != "" {
		t.Errorf("Inspect(a) = %+v, %v; want it free", s, err)
	}
	lockingtest.MustRelease(t, lease)
}

// What was not passed on is kept and renewed until it is released, however long that takes.
func TestRedis_whatIsNotHandedOnIsKept(t *testing.T) {
	t.Parallel()
	l := openRedis(t, stacktest.Redis(t), 3*time.Second)
	held := mustHold(t, l, "a")
	until := held.Until()
	if held.PassOn(t.Context(), map[string]string{"a": "5 left"}) {
		t.Fatal("passed on, though nobody waits")
	}
	for !held.Until().After(until) {
		if err := held.Check(0); err != nil {
			t.Fatalf("not renewed: %v", err)
		}
	}
	lockingtest.MustRelease(t, held)
}

// A message may be lost. An owner that asks then gets the note with the lock.
func TestRedis_notesOutliveTheirMessage(t *testing.T) {
	t.Parallel()
	l := openRedis(t, stacktest.Redis(t), longTTL)
	held := mustHold(t, l, "a")
	mustListen(t, l) // or the waiter's process is taken for dead
	deaf := locking.NewRedisWaiter(l)
	if token, _ := deaf.Ask(context.Background(), "a"); token != 0 {
		t.Fatal("granted what is held")
	}
	if !held.PassOn(t.Context(), map[string]string{"a": "5 left"}) {
		t.Fatal("not passed on")
	}
	if token, note := deaf.Ask(context.Background(), "a"); token == 0 || note != "5 left" {
		t.Errorf("whoever asks gets the token %d and the note %q", token, note)
	}
}

// A dead waiter gets nothing: a key that nobody else waits for is still the holder's then,
// and was nobody else's in between.
func TestRedis_notesAreNotHandedToTheDead(t *testing.T) {
	t.Parallel()
	url := stacktest.Redis(t)
	l, client := openRedis(t, url, longTTL), redisClient(t, url)
	held := mustHold(t, l, "a")
	before, err := l.Inspect(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	_, queue, _ := locking.RedisNames("a")
	if err := client.RPush(t.Context(), queue, "r9:GONE:1", "r9:GONE:2").Err(); err != nil {
		t.Fatal(err)
	}
	if held.PassOn(t.Context(), map[string]string{"a": "5 left"}) {
		t.Error("passed on to a process that is gone")
	}
	after, err := l.Inspect(t.Context(), "a")
	if err != nil || after.Owner != before.Owner || after.Token != before.Token || after.Until.Before(time.Now()) {
		t.Errorf("the lock was %+v and is %+v, %v; want it as it was", before, after, err)
	}
	lockingtest.MustRelease(t, held)
	if s, err := l.Inspect(t.Context(), "a"); err != nil || s.Owner != "" {
		t.Errorf("Inspect() = %+v, %v; want it free", s, err)
	}
}
