package locking

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A session's end ends the lease first, and through it the wait for a later key. Whoever sees the
// session itself before that tells the same.
func TestZooKeeper_ASessionThatEndsIsALossOfWhatWasHeld(t *testing.T) {
	t.Parallel()
	life, end := context.WithCancel(t.Context())
	end()
	h := &zkHolder{session: &zkSession{life: life}}
	for _, row := range []struct {
		held []grant
		want error
	}{
		{nil, ErrUnavailable},
		{[]grant{{key: "a", until: time.Now().Add(time.Minute)}}, ErrLost},
	} {
		l := &Lease{held: row.held}
		if err := h.takeError(t.Context(), errPlaceLost, nil, l); !errors.Is(err, row.want) {
			t.Errorf("holding %v: %v, want %v", row.held, err, row.want)
		}
	}
}
