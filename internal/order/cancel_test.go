package order_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"orderd/internal/locking"
	"orderd/internal/order"
	"orderd/internal/stock"
)

func TestCancel_ReturnsTheUnitsOnce(t *testing.T) {
	t.Parallel()
	s := openShop(t, openRedisLocks(t))
	s.mustSet(t, "A-1", 5, "")
	s.mustSet(t, "b", 5, "")
	o := s.mustPlace(t, order.Request{Key: "k", Lines: []order.Line{{"A-1", 2}, {"b", 5}}})
	path := "/v1/orders/" + o.ID.String()
	placed := s.send(t, http.MethodGet, path, "")
	// b is remembered as sold out, until the cancel.
	if _, err := s.Place(t.Context(), one("b")); !errors.Is(err, stock.ErrShort) {
		t.Fatalf("Place = %v, want ErrShort", err)
	}
	want := strings.Replace(placed.Body.String(), `"confirmed"`, `"cancelled"`, 1)
	for range 3 {
		rec := s.send(t, http.MethodPost, path+"/cancel", "")
		if rec.Code != http.StatusOK || rec.Body.String() != want {
			t.Errorf("cancel is answered %d %s, want %s", rec.Code, rec.Body, want)
		}
	}
	if rec := s.send(t, http.MethodGet, path, ""); rec.Body.String() != want {
		t.Errorf("GET of the cancelled order = %s, want %s", rec.Body, want)
	}
	s.mustHave(t, "A-1", 5, 0)
	s.mustHave(t, "b", 5, 0)
	movements, err := s.Store.Movements(t.Context(), "b", 2, 10)
	if err != nil || len(movements) != 1 || movements[0].Reason != "cancel" || movements[0].OrderID != o.ID.String() {
		t.Errorf("movements = %+v, %v; want one of the cancel", movements, err)
	}
	if rec := s.send(t, http.MethodPost, path+"/confirm", ""); rec.Code != http.StatusConflict || problemIn(t, rec).Code != "not_held" {
		t.Errorf("confirm of a cancelled order is answered %d %s, want 409", rec.Code, rec.Body)
	}
	// A retry with its key gets the first answer.
	again := s.mustPlace(t, order.Request{Key: "k", Lines: []order.Line{{"A-1", 2}, {"b", 5}}})
	if again.ID != o.ID || !again.Replayed || again.Status != order.StatusConfirmed {
		t.Errorf("replay of a cancelled order = %+v, want it confirmed", again)
	}
	if _, err := s.Place(t.Context(), []order.Line{{"b", 5}}); err != nil {
		t.Errorf("the units that came back: %v", err)
	}
}

// A cancel takes no lease: the holder of one keeps it, whatever the guard.
func TestCancel_LeavesTheTurnToItsHolder(t *testing.T) {
	t.Parallel()
	for _, guard := range []stock.Guard{stock.GuardPredicate, stock.GuardFence, stock.GuardClaim, stock.GuardNone} {
		t.Run(string(guard), func(t *testing.T) {
			t.Parallel()
			s := openShop(t, openRedisLocks(t))
			s.mustSet(t, "A-1", 5, guard)
			o := s.mustPlace(t, order.Request{Lines: []order.Line{{"A-1", 4}}})
			s.Work = time.Second // between the check and the write, which is when the cancel comes
			placed := make(chan error, 1)
			go func() {
				_, err := s.Place(context.Background(), one("A-1"))
				placed <- err
			}()
			inspector := s.Locks.(locking.Inspector)
			for deadline := time.Now().Add(10 * time.Second); ; {
				status, err := inspector.Inspect(t.Context(), "A-1")
				if err != nil || time.Now().After(deadline) {
					t.Fatalf("nobody has the turn: %v", err)
				}
				if status.Owner != "" {
					break
				}
			}
			if _, err := s.Cancel(t.Context(), "", o.ID); err != nil {
				t.Errorf("Cancel = %v", err)
			}
			if err := <-placed; err != nil {
				t.Errorf("Place of the holder = %v", err)
			}
			s.mustHave(t, "A-1", 4, 1)
		})
	}
}
