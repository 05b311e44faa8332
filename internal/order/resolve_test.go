package order

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

// deaf loses the answer to what is sent next once it is armed, and the
// connection with it.
type deaf struct {
	net.Conn
	armed   *atomic.Bool
	waiting atomic.Bool
}

func (d *deaf) Write(p []byte) (int, error) {
	if d.armed.CompareAndSwap(true, false) {
		d.waiting.Store(true)
	}
	return d.Conn.Write(p)
}

func (d *deaf) Read(p []byte) (int, error) {
	n, err := d.Conn.Read(p)
	if !d.waiting.Load() {
		return n, err
	}
	// The answer is there, so Postgres has done it.
	_ = d.Close()
	return 0, io.EOF
}

// A COMMIT whose answer got lost was done, and the client is told so.
func TestLedger_LosesTheAnswerToCommit(t *testing.T) {
	t.Parallel()
	db, _, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A", 10, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	armed := &atomic.Bool{}
	config := db.Config()
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		return &deaf{Conn: conn, armed: armed}, err
	}
	hard, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer hard.Close()
	l := NewLedger(hard, "r1")
	// Nothing but COMMIT, or what goes with it, is sent after the lease was asked for.
	arm := func() error { armed.Store(true); return nil }
	for name, place := range map[string]func(held func() error) (Order, error){
		"one order": func(held func() error) (Order, error) {
			d := draftOf(1, Line{"A", 1})
			d.held = held
			return l.Commit(t.Context(), d)
		},
		"a group": func(held func() error) (Order, error) {
			d := groupOf([]Line{{"A", 1}})
			d.orders[0].Key, d.orders[0].HoldSeconds = uuid.NewString(), 60
			d.held = held
			placed, _, err := l.CommitGroup(t.Context(), d)
			if err != nil {
				return Order{}, err
			}
			return placed[0], nil
		},
	} {
		// The first of each has its statements prepared.
		if _, err := place(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		o, err := place(arm)
		if err != nil || armed.Load() {
			t.Errorf("%s: %v (answer lost: %v), want it placed", name, err, !armed.Load())
		} else if read, err := NewLedger(db, "r1").Get(t.Context(), "", o.ID); err != nil || len(read.Lines) != 1 || !sameOrder(read, o) {
			t.Errorf("%s: read back %+v, %v; want %+v", name, read, err, o)
		}
	}
}
