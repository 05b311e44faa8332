package order

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

// An order waits while another transaction has written its key and not committed yet: the
// client of that transaction may have been told that the outcome is unknown, and be
// retrying.
func TestLedger_AKeyInDoubt(t *testing.T) {
	t.Parallel()
	db, l, s := openLedger(t)
	config := db.Config()
	config.ConnConfig.RuntimeParams["lock_timeout"] = "300ms"
	impatient, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(impatient.Close)
	for end, want := range map[string]error{"COMMIT": ErrInFlight, "ROLLBACK": nil, "": ErrInFlight} {
		t.Run("it ends by "+end, func(t *testing.T) {
			t.Parallel()
			sku := uuid.NewString()
			if _, _, err := s.Set(t.Context(), sku, 5, stock.GuardPredicate); err != nil {
				t.Fatal(err)
			}
			d := draftOf(1, Line{sku, 1})
			d.Key = sku
			tx, err := db.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(context.Background()) }()
			inDoubt, err := l.write(t.Context(), tx, uuid.New(), d)
			if err != nil {
				t.Fatal(err)
			}
			// Until the commit nothing of it is visible.
			if _, err := replayed(t, l, d.Request); !errors.Is(err, ErrNotFound) {
				t.Errorf("Replay = %v, want ErrNotFound", err)
			}
			again := l
			if end == "" {
				again = NewLedger(impatient, "r2")
			}
			result := make(chan error, 1)
			go func() {
				_, err := again.Commit(context.Background(), d)
				result <- err
			}()
			if end != "" {
				awaitBlocked(t, db, tx.Conn().PgConn().PID())
				if _, err := tx.Exec(t.Context(), end); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-result; !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("Commit = %v, want %v", err, want)
			}
			if end == "" {
				return
			}
			first, err := replayed(t, l, d.Request)
			if err != nil || (first.ID == inDoubt.ID) != (end == "COMMIT") || len(first.Lines) != 1 || first.Lines[0].Remaining != 4 {
				t.Errorf("Replay = %+v, %v; want the one order that there is", first, err)
			}
			if item, err := s.Get(t.Context(), sku); err != nil || item.Sold != 1 {
				t.Errorf("stock %+v, %v; want one sold", item, err)
			}
		})
	}
}

// replayed returns the order that the key has placed, or ErrNotFound.
func replayed(t *testing.T, l *Ledger, r Request) (Order, error) {
	t.Helper()
	placed, err := l.replays(t.Context(), []Request{r})
	if err != nil {
		return Order{}, err
	}
	if o, ok := placed[claimedKey{r.Client, r.Key}]; ok {
		return o, nil
	}
	return Order{}, ErrNotFound
}
