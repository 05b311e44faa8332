package order

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stack/stacktest"
	"orderd/internal/stock"
)

func openLedger(t *testing.T) (*pgxpool.Pool, *Ledger, *stock.Store) {
	t.Helper()
	url := stacktest.MigratedPostgres(t)
	// Enough for the tests that hold transactions open side by side.
	db, err := pgxpool.New(t.Context(), url+"&pool_max_conns=20")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, NewLedger(db, "r1"), stock.NewStore(db, "r1")
}

func draftOf(token int64, lines ...Line) draft {
	return draft{Request: Request{Lines: lines}, token: func(string) int64 { return token }, held: func() error { return nil }}
}

func TestLedger_Guards(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	const left, fence = 2, 50
	for name, row := range map[string]struct {
		guard    stock.Guard
		quantity int64
		token    int64
		want     error
		fence    int64 // the row's afterwards
	}{
		"predicate lets the last units go":       {stock.GuardPredicate, 2, 0, nil, fence},
		"predicate refuses one too many":         {stock.GuardPredicate, 3, 60, stock.ErrShort, fence},
		"predicate does not mind an old token":   {stock.GuardPredicate, 1, 1, nil, fence},
		"fence takes a newer token and keeps it": {stock.GuardFence, 1, 60, nil, 60},
		"fence takes the same token":             {stock.GuardFence, 1, fence, nil, fence},
		"fence refuses an older token":           {stock.GuardFence, 1, 49, ErrLeaseLost, fence},
		"fence does not count":                   {stock.GuardFence, 3, 60, nil, 60},
		"claim takes the claimer's token":        {stock.GuardClaim, 1, fence, nil, fence},
		"claim refuses an older token":           {stock.GuardClaim, 1, 49, ErrLeaseLost, fence},
		"claim refuses a token never claimed":    {stock.GuardClaim, 1, 51, ErrLeaseLost, fence},
		"none refuses nothing":                   {stock.GuardNone, 3, 1, nil, fence},
	} {
		t.Run(name, func(t *testing.T) {
			sku := uuid.NewString()
			if _, _, err := s.Set(t.Context(), sku, left, row.guard); err != nil {
				t.Fatal(err)
			}
			if _, err := l.db.Exec(t.Context(), "UPDATE stock SET fence = $2 WHERE sku = $1", sku, fence); err != nil {
				t.Fatal(err)
			}
			placed, err := l.Commit(t.Context(), draftOf(row.token, Line{sku, row.quantity}))
			if !errors.Is(err, row.want) {
				t.Fatalf("Commit = %v, want %v", err, row.want)
			}
			wantLeft, wantVersion := int64(left), int64(1)
			if row.want == nil {
				wantLeft, wantVersion = left-row.quantity, 2
				if p := placed.Lines[0]; p.Remaining != wantLeft || p.StockVersion != wantVersion {
					t.Errorf("placed %+v, want %d remaining at version %d", p, wantLeft, wantVersion)
				}
			}
			var onHand, version, gotFence int64
			err = l.db.QueryRow(t.Context(), "SELECT on_hand, version, fence FROM stock WHERE sku = $1", sku).
				Scan(&onHand, &version, &gotFence)
			if err != nil || onHand != wantLeft || version != wantVersion || gotFence != row.fence {
				t.Errorf("row has %d, version %d, fence %d (%v); want %d, %d, %d",
					onHand, version, gotFence, err, wantLeft, wantVersion, row.fence)
			}
		})
	}
}

func TestLedger_CommitIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	for _, sku := range []string{"A", "B", "C"} {
		if _, _, err := s.Set(t.Context(), sku, 1, ""); err != nil {
			t.Fatal(err)
		}
	}
	lost := draftOf(1, Line{"A", 1})
	lost.held = func() error { return errors.New("the lease is gone") }
	for name, row := range map[string]struct {
		draft draft
		want  error
	}{
		"a line in the middle is short": {draftOf(1, Line{"A", 1}, Line{"B", 2}, Line{"C", 1}), stock.ErrShort},
		"the last SKU is unknown":       {draftOf(1, Line{"A", 1}, Line{"Z", 1}), stock.ErrUnknownSKU},
		"the lease is gone":             {lost, ErrLeaseLost},
	} {
		if _, err := l.Commit(t.Context(), row.draft); !errors.Is(err, row.want) {
			t.Errorf("%s: Commit = %v, want %v", name, err, row.want)
		}
	}
	var orders, sales int
	var left int64
	err := db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM orders),
		(SELECT count(*) FROM movements WHERE reason = 'sale'), (SELECT sum(on_hand)::bigint FROM stock)`).Scan(&orders, &sales, &left)
	if err != nil || orders != 0 || sales != 0 || left != 3 {
		t.Errorf("%d orders, %d sales, %d left (%v); want nothing written", orders, sales, left, err)
	}
}

func TestLedger_ListIsNewestFirst(t *testing.T) {
	t.Parallel()
	_, l, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A", 10, ""); err != nil {
		t.Fatal(err)
	}
	var ids []uuid.UUID
	for range 3 {
		o, err := l.Commit(t.Context(), draftOf(0, Line{"A", 1}))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, o.ID)
	}
	first, err := l.List(t.Context(), "", uuid.Nil, 2)
	if err != nil || len(first) != 2 || first[0].ID != ids[2] || first[1].ID != ids[1] {
		t.Fatalf("List = %+v, %v; want the two newest, newest first", first, err)
	}
	rest, err := l.List(t.Context(), "", first[1].ID, 2)
	if err != nil || len(rest) != 1 || rest[0].ID != ids[0] || len(rest[0].Lines) != 1 {
		t.Fatalf("List of the rest = %+v, %v; want the oldest", rest, err)
	}
	if _, err := l.Get(t.Context(), "", uuid.New()); !errors.Is(err, ErrNotFound) {
		t.Errorf("Get of no order = %v, want ErrNotFound", err)
	}
}

// The outcome of a COMMIT whose reply was lost is found by the order's row, which may still
// belong to a running transaction.
func TestLedger_ResolveWaitsForTheTransactionInDoubt(t *testing.T) {
	t.Parallel()
	db, l, _ := openLedger(t)
	for name, row := range map[string]struct {
		end  string
		want error
	}{
		"it committed":    {"COMMIT", nil},
		"it rolled back":  {"ROLLBACK", stock.ErrUnavailable},
		"it never ends":   {"", ErrUnknown},
		"it is long gone": {"ROLLBACK first", stock.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id := uuid.New()
			conn, err := db.Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Release()
			exec := func(sql string, args ...any) {
				t.Helper()
				if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
					t.Fatal(err)
				}
			}
			exec("BEGIN")
			defer exec("ROLLBACK")
			exec("INSERT INTO orders (id, status) VALUES ($1, 'confirmed')", id)
			if row.end == "ROLLBACK first" {
				exec("ROLLBACK")
			}
			result := make(chan error, 1)
			go func() {
				_, err := l.resolve(context.Background(), uncertainCommit{id: id, cause: errors.New("connection reset")})
				result <- err
			}()
			if row.end == "COMMIT" || row.end == "ROLLBACK" {
				awaitBlocked(t, db, conn.Conn().PgConn().PID())
				exec(row.end)
			}
			if err := <-result; !errors.Is(err, row.want) || (err == nil) != (row.want == nil) {
				t.Errorf("resolve = %v, want %v", err, row.want)
			}
			var rows int
			if err := db.QueryRow(t.Context(), "SELECT count(*) FROM orders WHERE id = $1", id).Scan(&rows); err != nil || (rows == 1) != (row.end == "COMMIT") {
				t.Errorf("%d rows (%v) of an order that ended by %q", rows, err, row.end)
			}
		})
	}
}

// awaitBlocked returns once a statement waits for the session of that pid.
func awaitBlocked(t *testing.T, db *pgxpool.Pool, pid uint32) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), CommitLimit)
	defer cancel()
	for {
		var waiting bool
		err := db.QueryRow(ctx, `SELECT exists (SELECT FROM pg_stat_activity
			WHERE $1 = ANY (pg_blocking_pids(pid)))`, pid).Scan(&waiting)
		if err != nil {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		time.Sleep(5 * time.Millisecond) // between polls
	}
}
