package order

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"orderd/internal/stock"
)

// forgetful is a connection that, when armed, loses the answer to one COMMIT, and is broken
// from then on.
type forgetful struct {
	net.Conn
	armed      *atomic.Bool
	committing atomic.Bool
}

func (f *forgetful) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("commit")) && f.armed.CompareAndSwap(true, false) {
		f.committing.Store(true)
	}
	return f.Conn.Write(p)
}

func (f *forgetful) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if f.committing.Load() {
		return 0, io.EOF
	}
	return n, err
}

// A change of the stock whose COMMIT was not answered may have been made: a client that is
// told "unavailable" would make it twice.
func TestStore_AChangeThatMayHaveBeenMadeIsNotCalledUnavailable(t *testing.T) {
	t.Parallel()
	db, _, s := openLedger(t)
	if _, _, err := s.Set(t.Context(), "A", 10, stock.GuardPredicate); err != nil {
		t.Fatal(err)
	}
	armed := &atomic.Bool{}
	broken := stock.NewStore(through(t, db, func(conn net.Conn) net.Conn { return &forgetful{Conn: conn, armed: armed} }), "r1")
	armed.Store(true)
	_, _, err := broken.Adjust(t.Context(), stock.Adjustment{SKU: "A", Delta: 5, Reason: "restock"})
	if !errors.Is(err, stock.ErrUnknown) || errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Adjust = %v, want ErrUnknown", err)
	}
	if item, err := s.Get(t.Context(), "A"); err != nil || item.OnHand != 15 {
		t.Fatalf("%d on hand, %v; want 15: it was the answer that was lost", item.OnHand, err)
	}
	if p := problemOf(err); p.Code != "outcome_unknown" || p.Retryable {
		t.Errorf("answered %+v, want outcome_unknown, and not to be tried again unseen", p)
	}
	// A change with a key can be retried, and is.
	armed.Store(true)
	item, replayed, err := broken.Adjust(t.Context(), stock.Adjustment{SKU: "A", Delta: 5, Reason: "restock", Key: "k"})
	if err != nil || !replayed || item.OnHand != 20 || armed.Load() {
		t.Errorf("with a key Adjust = %+v, %v, %v; want what it found of itself, 20", item, replayed, err)
	}
	if item, err := s.Get(t.Context(), "A"); err != nil || item.OnHand != 20 {
		t.Errorf("%d on hand, %v; want 20", item.OnHand, err)
	}
	// Nor may a level be set again unseen: that would put back what was sold in between.
	armed.Store(true)
	if _, _, err := broken.Set(t.Context(), "A", 25, ""); !errors.Is(err, stock.ErrUnknown) || errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Set = %v, want ErrUnknown", err)
	}
}
