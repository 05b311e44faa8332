package order

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"orderd/internal/locking"
	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

// turnBeforeDeafRedis returns a turn with a lease on A, whose level it has to write to a
// Redis that does not answer until hangUp is called.
func turnBeforeDeafRedis(t *testing.T, locks locking.Locker) (before *turn, hangUp func()) {
	t.Helper()
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: deaf.Addr().String(), MaxRetries: -1, ReadTimeout: time.Minute})
	t.Cleanup(func() { client.Close() })
	lease, err := locks.Acquire(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	return &turn{
			service: &Service{
				Locks: locks, Cache: stock.NewCache(client, nil), Shortages: stock.NewShortages(nil),
				Log: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
			},
			lease: lease, keys: []string{"A"}, since: time.Now(),
			unwritten: map[string]stock.Level{"A": {SKU: "A", OnHand: 1, Version: 2}},
		}, func() {
			if err := deaf.Close(); err != nil { // also closes the connections that nobody has accepted
				t.Error(err)
			}
		}
}

func TestTurn_AnswersDoNotWaitForAServerThatHangs(t *testing.T) {
	t.Parallel()
	turn, hangUp := turnBeforeDeafRedis(t, locking.NewNone())
	turn.releaseBeforeAnswers(context.Background())
	select {
	case <-turn.releasing[0].done:
		t.Error("the answers have waited for Redis, which says nothing")
	default:
	}
	hangUp()
	turn.end(context.Background())
	if turn.lease != nil || turn.releasing != nil {
		t.Error("the turn is over and has its lease still")
	}
}

// Answers do not wait for an earlier lease's release either, and a waiter that is handed
// the levels gets its lease at once.
func TestTurn_ALeaseIsGivenThoughOneBeforeHangs(t *testing.T) {
	t.Parallel()
	locks := OpenRedisLocks(t, stacktest.Redis(t), time.Minute)
	turn, hangUp := turnBeforeDeafRedis(t, locks)
	if _, err := turn.take(t.Context(), []string{"B"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	turn.levels = map[string]stock.Level{"B": {SKU: "B", OnHand: 1, Version: 2, Guard: stock.GuardPredicate}}
	turn.unwritten = maps.Clone(turn.levels)
	next := waitsFor(t, locks, turn.lease, "B")
	turn.releaseBeforeAnswers(context.Background())
	lease := <-next
	if note := lease.Note("B"); note != "1 2 predicate" {
		t.Errorf("who has B next is told %q", note)
	}
	for _, p := range turn.releasing {
		if p.isDone() {
			t.Errorf("%v is given back and written, though Redis says nothing", p.keys)
		}
	}
	if got := turn.busy(); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("busy: %v, want A and B", got)
	}
	hangUp()
	turn.end(context.Background())
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// waitsFor starts a waiter for the lease's only SKU, and returns the channel that gets the
// waiter's lease.
func waitsFor(t *testing.T, locks locking.Locker, lease *locking.Lease, sku string) <-chan *locking.Lease {
	t.Helper()
	next := make(chan *locking.Lease, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	go func() {
		defer cancel()
		lease, err := locks.Acquire(ctx, sku)
		if err != nil {
			t.Errorf("Acquire(%s) = %v", sku, err)
		}
		next <- lease
	}()
	select {
	case <-lease.Wanted(): // notifications arrive: a waiter that does not receive them is granted nothing
	case <-ctx.Done():
		t.Fatal("the holder does not hear of who waits")
	}
	for status := (locking.Status{}); status.Waiters == 0; {
		var err error
		if status, err = locks.(locking.Inspector).Inspect(ctx, sku); err != nil {
			t.Fatal(err)
		}
	}
	return next
}

// Where only the lease keeps two orders from taking the same unit, it is not handed over
// before the levels are written: a waiter that was handed them may give up, and the next
// one does not get them.
func TestTurn_TellsLevelsOnlyWhereRowsAreGuarded(t *testing.T) {
	t.Parallel()
	for guard, tells := range map[stock.Guard]bool{
		stock.GuardPredicate: true, stock.GuardClaim: true, stock.GuardFence: false, stock.GuardNone: false,
	} {
		locks := OpenRedisLocks(t, stacktest.Redis(t), time.Minute)
		turn, hangUp := turnBeforeDeafRedis(t, locks)
		turn.levels = map[string]stock.Level{"A": {SKU: "A", OnHand: 1, Version: 2, Guard: guard}}
		next := waitsFor(t, locks, turn.lease, "A")
		p := turn.startRelease(t.Context())
		patience := 20 * time.Millisecond
		if tells {
			patience = 20 * time.Second
		}
		select {
		case <-p.released:
			if !tells {
				t.Errorf("guard %s: given, though the level is not written", guard)
			}
		case <-time.After(patience):
			if tells {
				t.Errorf("guard %s: not given, though it could be told", guard)
			}
		}
		hangUp()
		turn.end(t.Context())
		lease := <-next
		if told := lease.Note("A") != ""; told != tells {
			t.Errorf("guard %s: told %v, want %v", guard, told, tells)
		}
		if err := lease.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Orders for other SKUs need not wait until the levels of the previous ones are written and
// their lease is released.
func TestTurn_GoesOnWithOthersWhileALeaseIsOnItsWayBack(t *testing.T) {
	t.Parallel()
	locks := locking.NewLocal()
	turn, hangUp := turnBeforeDeafRedis(t, locks)
	if got := turn.busy(); !slices.Equal(got, []string{"A"}) {
		t.Errorf("busy: %v, want A", got)
	}
	if waited, err := turn.take(t.Context(), []string{"B"}, time.Minute); err != nil || !waited || turn.lease == nil {
		t.Fatalf("take = %v, %v; want a lease on B", waited, err)
	}
	if got := turn.busy(); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("busy: %v, want A and B", got)
	}
	hangUp()
	turn.end(context.Background())
	if got := turn.busy(); got != nil {
		t.Errorf("busy: %v, want nothing", got)
	}
	lease, err := locks.Acquire(t.Context(), "A", "B")
	if err != nil {
		t.Fatalf("not all is given back: %v", err)
	}
	if err := lease.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// Orders for the same SKUs wait for the release, and do not queue for the lock behind their
// own lane.
func TestTurn_WaitsForWhatIsOnItsWayBack(t *testing.T) {
	t.Parallel()
	locks := locking.NewLocal()
	turn, hangUp := turnBeforeDeafRedis(t, locks)
	turn.service.Locks = asked{locks, func() {
		select {
		case <-turn.releasing[0].done:
		default:
			t.Error("the lock is asked for A, which is not given back")
		}
	}}
	go hangUp()
	if _, err := turn.take(t.Context(), []string{"A", "C"}, time.Minute); err != nil {
		t.Fatal(err)
	}
	turn.end(t.Context())
}

// asked is a locker that calls first before each Acquire.
type asked struct {
	locking.Locker
	first func()
}

func (a asked) Acquire(ctx context.Context, keys ...string) (*locking.Lease, error) {
	a.first()
	return a.Locker.Acquire(ctx, keys...)
}

// Unless it is handed over, a lease is not released before the levels that it left are
// written.
func TestTurn_WritesBeforeItReleases(t *testing.T) {
	t.Parallel()
	locks := locking.NewLocal()
	turn, hangUp := turnBeforeDeafRedis(t, locks)
	turn.startRelease(t.Context())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := locks.Acquire(ctx, "A"); !errors.Is(err, locking.ErrBusy) {
		t.Errorf("A is there for others, though its level is not written: %v", err)
	}
	hangUp()
	turn.end(t.Context())
}

func TestLane_PassesOverWhoWantsWhatIsBusy(t *testing.T) {
	t.Parallel()
	wants := func(skus ...string) *waiter {
		w := &waiter{}
		for _, sku := range skus {
			w.Lines = append(w.Lines, Line{sku, 1})
		}
		return w
	}
	a, ab, b, c, d := wants("A"), wants("A", "B"), wants("B"), wants("C"), wants("D")
	for name, row := range map[string]struct {
		waiting, group, left []*waiter
	}{
		"nobody wants it":          {[]*waiter{c, d}, []*waiter{c, d}, []*waiter{}},
		"one in the middle":        {[]*waiter{c, a, d}, []*waiter{c, d}, []*waiter{a}},
		"a cart that has it":       {[]*waiter{b, ab, c}, []*waiter{b, c}, []*waiter{ab}},
		"the first is never":       {[]*waiter{a, c, a}, []*waiter{a, c, a}, []*waiter{}},
		"more than the limit":      {[]*waiter{c, a, b, d, c}, []*waiter{c, b, d}, []*waiter{a, c}},
		"more, and the first does": {[]*waiter{a, a, b, d, c}, []*waiter{a, a, b}, []*waiter{d, c}},
	} {
		l := &lane{limit: 3, waiting: slices.Clone(row.waiting), busy: func() []string { return []string{"A", "E"} }}
		if group := l.next(false); !slices.Equal(group, row.group) || !slices.Equal(l.waiting, row.left) {
			t.Errorf("%s: the group is %v and %v are left, want %v and %v", name, group, l.waiting, row.group, row.left)
		}
	}
}
