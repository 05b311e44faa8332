package order

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/locking"
	"orderd/internal/stock"
)

func groupOf(orders ...[]Line) groupDraft {
	return groupDraft{
		orders: requests(orders), token: func(string) int64 { return 1 }, held: func() error { return nil },
	}
}

// requests returns requests for these lines, and nothing else.
func requests(orders [][]Line) []Request {
	asked := make([]Request, len(orders))
	for i, lines := range orders {
		asked[i].Lines = lines
	}
	return asked
}

func TestLedger_GroupWithoutItsLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A-1", 5, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	d := groupOf([]Line{{"A-1", 1}})
	d.held = func() error { return locking.ErrLost }
	if _, _, err := l.CommitGroup(t.Context(), d); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("CommitGroup = %v, want ErrLeaseLost", err)
	}
	// The row is not left locked either.
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	placed, refused, err := l.CommitGroup(ctx, groupOf([]Line{{"A-1", 5}}, []Line{{"A-1", 1}}))
	if err != nil || len(placed[0].Lines) != 1 || placed[0].Lines[0].StockVersion != 2 || !errors.Is(refused[1], stock.ErrShort) {
		t.Errorf("CommitGroup = %+v, %v, %v; want the first placed and the second short", placed, refused, err)
	}
}

// Without any lease the row locks keep groups apart: no update is lost.
func TestLedger_GroupsAtOnce(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	const buyers, each, units = 8, 10, 200
	for _, sku := range []string{"A-1", "B-1"} {
		if _, _, err := s.Set(t.Context(), sku, units, stock.GuardPredicate); err != nil {
			t.Fatal(err)
		}
	}
	var buying sync.WaitGroup
	for range buyers {
		buying.Go(func() {
			for range each {
				if _, _, err := l.CommitGroup(t.Context(), groupOf([]Line{{"A-1", 1}, {"B-1", 1}}, []Line{{"B-1", 1}})); err != nil {
					t.Errorf("CommitGroup = %v", err)
				}
			}
		})
	}
	buying.Wait()
	for sku, left := range map[string]int64{"A-1": units - buyers*each, "B-1": units - 2*buyers*each} {
		item, err := s.Get(t.Context(), sku)
		if err != nil || item.OnHand != left || item.Version != 1+units-left {
			t.Errorf("%s: %+v, %v; want %d left", sku, item, err, left)
		}
	}
}

// A level that does not match the row would be a bug. It must not be committed.
func TestLedger_GroupWithAWrongLevelWritesNothing(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A-1", 5, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	shelves, err := l.lockRows(t.Context(), conn, groupOf([]Line{{"A-1", 1}}))
	if err != nil {
		t.Fatal(err)
	}
	lines := take(shelves, []Line{{"A-1", 1}})
	shelves["A-1"].OnHand++
	id := uuid.New()
	if err := l.writeGroup(t.Context(), conn, &pgx.Batch{}, groupWriting{make([]Request, 1), shelves, []Order{{ID: id, Lines: lines}}}); !errors.Is(err, errStockChanged) {
		t.Errorf("writeGroup = %v", err)
	}
	rollBack(t.Context(), conn.Conn())
	if _, err := l.Get(t.Context(), "", id); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get = %v, want ErrNotFound", err)
	}
}

// A group is committed with its expected outcome if nobody has changed its rows, otherwise
// with the outcome that follows from them.
func TestLedger_ForeseenGroup(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	for name, c := range map[string]struct {
		onHand, version int64 // expected of B, which has 3 units, at version 2
	}{
		"as it is":        {3, 2},
		"another level":   {5, 2},
		"another version": {3, 1},
		"another of both": {5, 1},
		"less than it is": {2, 1}, // enough for the first alone
	} {
		a, b := "A-"+strings.ReplaceAll(name, " ", "-"), "B-"+strings.ReplaceAll(name, " ", "-")
		for _, sku := range []string{a, b} {
			if _, _, err := s.Set(t.Context(), sku, 5, stock.GuardPredicate); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := s.Adjust(t.Context(), stock.Adjustment{SKU: b, Delta: -2, Reason: "broken"}); err != nil {
			t.Fatal(err)
		}
		d := groupOf([]Line{{a, 1}, {b, 2}}, []Line{{b, 1}})
		if c.onHand > 3 {
			d.orders[1].Lines[0].Quantity = 2
		}
		d.expected = &settled{shelves: map[string]*shelf{
			a: {Level: stock.Level{SKU: a, OnHand: 5, Version: 1}}, b: {Level: stock.Level{SKU: b, OnHand: c.onHand, Version: c.version}},
		}}
		d.expected.lines, d.expected.refused = settle(d.expected.shelves, d.orders, enough)
		placed, refused, err := l.CommitGroup(t.Context(), d)
		if err != nil || refused[0] != nil || placed[0].Lines[1] != (PlacedLine{b, 2, 1, 3}) || placed[0].CreatedAt.IsZero() {
			t.Errorf("%s: %+v, %v, %v; want the first order placed", name, placed, refused, err)
		}
		if short := c.onHand > 3; errors.Is(refused[1], stock.ErrShort) != short {
			t.Errorf("%s: the second order: %v", name, refused[1])
		}
	}
}

// A foreign transaction locks the rows in the opposite order. Postgres ends the deadlock at
// the cost of the group, which waited first, and the group is retried.
func TestLedger_GroupIsTriedAgainAfterADeadlock(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	for _, sku := range []string{"A-1", "B-1"} {
		if _, _, err := s.Set(t.Context(), sku, 5, stock.GuardPredicate); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	touch := func(sku string) error {
		_, err := tx.Exec(t.Context(), "UPDATE stock SET updated_at = now() WHERE sku = $1", sku)
		return err
	}
	// The foreign transaction looks for deadlocks later than the group does.
	if _, err := tx.Exec(t.Context(), "SET LOCAL deadlock_timeout = '30s'"); err != nil {
		t.Fatal(err)
	}
	if err := touch("B-1"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		placed, refused, err := l.CommitGroup(context.Background(), groupOf([]Line{{"A-1", 1}, {"B-1", 1}}))
		if err == nil && (refused[0] != nil || len(placed[0].Lines) != 2) {
			err = errors.Join(errors.New("not placed"), refused[0])
		}
		done <- err
	}()
	awaitWaiting(t, db)
	if err := touch("A-1"); err != nil {
		t.Fatalf("the stranger was ended: %v", err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("CommitGroup = %v", err)
	}
}

// awaitWaiting returns once a session waits for a lock.
func awaitWaiting(t *testing.T, db *pgxpool.Pool) {
	t.Helper()
	waits := "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
	for deadline, n := time.Now().Add(10*time.Second), 0; n == 0; {
		if err := db.QueryRow(t.Context(), waits).Scan(&n); err != nil || time.Now().After(deadline) {
			t.Fatalf("the group does not wait: %v", err)
		}
	}
}

// Cancels and sweeps lock rows in SKU order. An optimistic group locks them in any order:
// if they deadlock it times out, long before Postgres detects that, which takes a second.
func TestLedger_GroupsGiveWayToWhoTakesRowsInOrder(t *testing.T) {
	t.Parallel()
	for _, foreseen := range []bool{false, true} {
		t.Run("foreseen: "+strconv.FormatBool(foreseen), func(t *testing.T) {
			t.Parallel()
			db, _, s := openLedger(t)
			// Postgres does not look for deadlocks in time: the group has to give up by itself.
			config := db.Config()
			config.ConnConfig.RuntimeParams["deadlock_timeout"] = "30s"
			db, err := pgxpool.NewWithConfig(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(db.Close)
			l := NewLedger(db, "r1")
			for _, sku := range []string{"c", "a", "B"} { // in the order of the rows on their page
				if _, _, err := s.Set(t.Context(), sku, 5, stock.GuardPredicate); err != nil {
					t.Fatal(err)
				}
			}
			d := groupOf([]Line{{"a", 1}, {"c", 1}}, []Line{{"B", 1}})
			if foreseen {
				d.foresee(t, s)
			}
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			done := make(chan error, 1)
			for i, sku := range []string{"B", "a", "c"} {
				if i == 1 {
					go func() {
						_, refused, err := l.CommitGroup(context.Background(), d)
						done <- errors.Join(append(refused, err)...)
					}()
					awaitWaiting(t, db)
				}
				if _, err := tx.Exec(t.Context(), "SELECT FROM stock WHERE sku = $1 FOR UPDATE", sku); err != nil {
					t.Errorf("take %s: %v", sku, err)
				}
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("CommitGroup = %v", err)
			}
		})
	}
}

func TestLane_WhoComesWhenItIsFullIsToldAtOnce(t *testing.T) {
	t.Parallel()
	open, entered := make(chan struct{}), make(chan struct{}, 1)
	l := &lane{limit: 1, patience: time.Minute, idle: func() bool { return true }, place: func(group []*waiter) {
		entered <- struct{}{}
		<-open
		for _, w := range group {
			w.answer <- result{}
		}
	}}
	answers := make(chan error, laneDepth+1)
	submit := func() {
		_, err := l.submit(t.Context(), Request{Lines: []Line{{"A-1", 1}}})
		answers <- err
	}
	go submit()
	<-entered
	for range laneDepth {
		go submit()
	}
	for deadline := time.Now().Add(10 * time.Second); l.length() < laneDepth; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the lane does not fill")
		}
	}
	if _, err := l.submit(t.Context(), Request{Lines: []Line{{"A-1", 1}}}); !errors.Is(err, locking.ErrBusy) || !errors.Is(err, errLaneFull) {
		t.Errorf("submit to a full lane = %v, want ErrBusy", err)
	}
	go func() {
		for range entered {
		}
	}()
	close(open)
	for range laneDepth + 1 {
		if err := <-answers; err != nil {
			t.Errorf("submit = %v", err)
		}
	}
	close(entered)
}
