package order

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderd/internal/stock"
)

// deaf is a connection that, once armed, loses the answer to what is sent next, and is
// closed then.
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
	// The answer has arrived, so Postgres has executed it.
	_ = d.Close()
	return 0, io.EOF
}

// through opens a pool on the same database whose connections are wrapped by wrap.
func through(t *testing.T, db *pgxpool.Pool, wrap func(net.Conn) net.Conn) *pgxpool.Pool {
	t.Helper()
	config := db.Config()
	dial := config.ConnConfig.DialFunc
	config.ConnConfig.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return wrap(conn), nil
	}
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// If the answer to a COMMIT is lost, the client is still told that its order was placed.
func TestLedger_LosesTheAnswerToCommit(t *testing.T) {
	t.Parallel()
	db, _, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A", 10, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	armed := &atomic.Bool{}
	l := NewLedger(through(t, db, func(conn net.Conn) net.Conn { return &deaf{Conn: conn, armed: armed} }), "r1")
	// After held was called nothing is sent but COMMIT, or the batch that it is in.
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
		// The first of each prepares the statements.
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

// belated is a connection that, once armed, keeps what is sent, as a network does that is
// down for a while: the sender takes that for lost, and the connection too.
type belated struct {
	net.Conn
	armed *atomic.Bool

	mu   sync.Mutex
	kept []byte
}

func (b *belated) Write(p []byte) (int, error) {
	if !b.armed.Load() {
		return b.Conn.Write(p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = append(b.kept, p...)
	return len(p), nil
}

// late returns what has not been delivered yet.
func (b *belated) late() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.kept)
}

func (b *belated) Read(p []byte) (int, error) {
	if b.armed.Load() {
		return 0, io.EOF
	}
	return b.Conn.Read(p)
}

// Close leaves the connection open if something has not been delivered yet.
func (b *belated) Close() error {
	if len(b.late()) > 0 {
		return nil
	}
	return b.Conn.Close()
}

// A group that was sent whole, and of which the client was told that it was not placed, is
// not placed if it arrives later after all.
func TestLedger_AGroupThatArrivesLateIsNotPlaced(t *testing.T) {
	t.Parallel()
	for _, foreseen := range []bool{false, true} {
		t.Run("foreseen: "+strconv.FormatBool(foreseen), func(t *testing.T) {
			t.Parallel()
			db, _, s := openLedger(t)
			if _, _, err := s.Set(t.Context(), "A", 10, stock.GuardPredicate); err != nil {
				t.Fatal(err)
			}
			armed := &atomic.Bool{}
			var line *belated // the first connection is the one that the group is sent on
			l := NewLedger(through(t, db, func(conn net.Conn) net.Conn {
				if line != nil {
					return conn
				}
				line = &belated{Conn: conn, armed: armed}
				return line
			}), "r1")
			place := func(held func() error) error {
				d := groupOf([]Line{{"A", 1}})
				if d.held = held; foreseen {
					d.foresee(t, s)
				}
				_, _, err := l.CommitGroup(t.Context(), d)
				return err
			}
			if err := place(func() error { return nil }); err != nil { // prepares the statements
				t.Fatal(err)
			}
			err := place(func() error { armed.Store(true); return nil })
			if !errors.Is(err, stock.ErrUnavailable) || errors.Is(err, ErrUnknown) || len(line.late()) == 0 {
				t.Fatalf("CommitGroup = %v with %d bytes on their way, want ErrUnavailable", err, len(line.late()))
			}
			_, _ = line.Conn.Write(line.late()) // the server may have hung up
			if err := line.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			answer, err := io.ReadAll(line.Conn)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the session lives: %v, after %q", err, answer)
			}
			_ = line.Conn.Close()
			if item, err := s.Get(t.Context(), "A"); err != nil || item.OnHand != 9 {
				t.Errorf("%d left, %v; want 9: the group that came late was not placed", item.OnHand, err)
			}
		})
	}
}

// The outcome of a group is found even if its broken connection was the pool's last: its
// slot is free for another.
func TestLedger_LosesTheLastConnectionOfThePool(t *testing.T) {
	t.Parallel()
	db, _, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A", 10, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	armed := &atomic.Bool{}
	config := through(t, db, func(conn net.Conn) net.Conn { return &deaf{Conn: conn, armed: armed} }).Config()
	config.MaxConns = 1
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l := NewLedger(pool, "r1")
	for _, arm := range []bool{false, true} { // the first prepares the statements
		d := groupOf([]Line{{"A", 1}})
		d.held = func() error { armed.Store(arm); return nil }
		if placed, _, err := l.CommitGroup(t.Context(), d); err != nil || len(placed) != 1 {
			t.Errorf("CommitGroup (answer lost: %v) = %v, %v, want it placed", arm, placed, err)
		}
	}
}

// While the session that was committing cannot be ended, what it was sent may still be
// executed: the order is not called unplaced.
func TestLedger_ASessionThatDoesNotEndMayStillCommit(t *testing.T) {
	t.Parallel()
	db, l, _ := openLedger(t)
	conn, err := db.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pid := conn.Conn().PgConn().PID()
	signal := func(s syscall.Signal) {
		if err := syscall.Kill(int(pid), s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	_, err = l.resolve(t.Context(), uncertainCommit{id: uuid.New(), session: pid, cause: errors.New("the connection broke")})
	signal(syscall.SIGCONT)
	if !errors.Is(err, ErrUnknown) || errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("resolve = %v, want ErrUnknown", err)
	}
}
