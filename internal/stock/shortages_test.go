package stock_test

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"orderd/internal/stock"
)

// shelf is a store of one SKU whose reads take a while.
type shelf struct {
	onHand, version atomic.Int64
	reads           atomic.Int64
	slow            time.Duration
}

func (s *shelf) Levels(_ context.Context, skus []string) ([]stock.Level, error) {
	s.reads.Add(1)
	level := stock.Level{SKU: skus[0], OnHand: s.onHand.Load(), Version: s.version.Load()}
	time.Sleep(s.slow)
	return []stock.Level{level}, nil
}

func TestShortages_OneReadServesAllWhoAsk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{slow: 10 * time.Millisecond}
		short := stock.NewShortages(s)
		for range 100 {
			go func() {
				if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.OnHand != 0 {
					t.Errorf("Confirm = %+v, %v; want 0", level, err)
				}
			}()
		}
		time.Sleep(50 * time.Millisecond)
		synctest.Wait()
		if _, short, err := short.KnownShort(t.Context(), "A-1", 1); !short || err != nil {
			t.Errorf("KnownShort = %v, %v; want it known", short, err)
		}
		if got := s.reads.Load(); got != 1 {
			t.Errorf("%d reads, want 1", got)
		}
	})
}

func TestShortages_IsNeverOlderThanFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{slow: 60 * time.Millisecond}
		short := stock.NewShortages(s)
		confirm := func(want int64) {
			t.Helper()
			if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.OnHand != want {
				t.Fatalf("Confirm = %+v, %v; want %d", level, err, want)
			}
		}
		confirm(0)
		s.onHand.Store(7) // restocked without Invalidate
		s.version.Store(1)
		confirm(0) // the answer is 60 ms old, counted from when it was asked
		time.Sleep(stock.Freshness - 60*time.Millisecond + 1)
		confirm(7)
	})
}

func TestShortages_EnoughIsReadAfterTheCallBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{slow: 10 * time.Millisecond}
		s.onHand.Store(1)
		short := stock.NewShortages(s)
		go func() { _, _ = short.Confirm(t.Context(), "A-1", 1) }()
		time.Sleep(5 * time.Millisecond)
		s.onHand.Store(0) // the last unit is sold while the other caller's read is in flight
		if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.OnHand != 0 {
			t.Errorf("Confirm = %+v, %v; want 0: the shared read began before the call", level, err)
		}
		time.Sleep(time.Second)
	})
}

func TestShortages_ShortIsNotToldOnAReadThatWasLongUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{slow: time.Second}
		short := stock.NewShortages(s)
		go func() { _, _ = short.Confirm(t.Context(), "A-1", 1) }()
		time.Sleep(500 * time.Millisecond)
		s.onHand.Store(7) // restocked while the read is in flight
		s.version.Store(1)
		if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.OnHand != 7 {
			t.Errorf("Confirm = %+v, %v; want 7: the shared read began long before the call", level, err)
		}
		if reads := s.reads.Load(); reads > 3 {
			t.Errorf("%d reads for two who ask", reads)
		}
		time.Sleep(2 * time.Second)
	})
}

// However long a SKU stays sold out, one read serves all who ask within Freshness of it.
func TestShortages_AsksAnewOncePerFreshness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		short := stock.NewShortages(s)
		for range 1000 {
			if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.OnHand != 0 {
				t.Fatalf("Confirm = %+v, %v; want 0", level, err)
			}
			time.Sleep(time.Millisecond)
		}
		if got := s.reads.Load(); got > 10 {
			t.Errorf("%d reads in a second, want one for each %v", got, stock.Freshness)
		}
	})
}

// A shortage for callers that need more neither refuses a caller that needs just what was left,
// nor lets it sell from that read.
func TestShortages_ShortForOthersIsNotShortForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		s.onHand.Store(2)
		short := stock.NewShortages(s)
		if level, err := short.Confirm(t.Context(), "A-1", 3); err != nil || level.OnHand != 2 {
			t.Fatalf("Confirm = %+v, %v; want 2", level, err)
		}
		if _, short, err := short.KnownShort(t.Context(), "A-1", 2); short || err != nil {
			t.Errorf("KnownShort = %v, %v; want false", short, err)
		}
		s.onHand.Store(0)
		if level, err := short.Confirm(t.Context(), "A-1", 2); err != nil || level.OnHand != 0 {
			t.Errorf("Confirm = %+v, %v; want 0: two were enough at the last look, and are sold", level, err)
		}
	})
}

// Orders for ever new sold-out SKUs do not fill the memory.
func TestShortages_RememberOnlySoMany(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	short := stock.NewShortages(s)
	for n := range 10_001 {
		if _, err := short.Confirm(t.Context(), strconv.Itoa(n), 1); err != nil {
			t.Fatal(err)
		}
	}
	reads := s.reads.Load()
	remembered := 0
	for n := range 10_001 {
		if _, known, err := short.KnownShort(t.Context(), strconv.Itoa(n), 1); err != nil {
			t.Fatal(err)
		} else if known {
			remembered++
		}
	}
	if remembered < 1 || remembered > 10_000 || reads != 10_001 {
		t.Errorf("%d of 10,001 shortages are remembered after %d reads, want 10,000 at most", remembered, reads)
	}
}

func TestShortages_ForgetsWhatANewerLevelContradicts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		short := stock.NewShortages(s)
		if _, err := short.Confirm(t.Context(), "A-1", 1); err != nil {
			t.Fatal(err)
		}
		short.Invalidate(stock.Level{SKU: "A-1", OnHand: 5, Version: 1})
		if _, short, err := short.KnownShort(t.Context(), "A-1", 1); short || err != nil {
			t.Errorf("KnownShort after a restock = %v, %v; want false", short, err)
		}
	})
}

func TestShortages_ErrorsAndEndedContexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := stock.NewShortages(levelsFunc(func(context.Context, []string) ([]stock.Level, error) {
			return nil, stock.ErrUnavailable
		}))
		if _, err := down.Confirm(t.Context(), "A-1", 1); !errors.Is(err, stock.ErrUnavailable) {
			t.Errorf("Confirm = %v, want ErrUnavailable", err)
		}
		empty := stock.NewShortages(levelsFunc(func(context.Context, []string) ([]stock.Level, error) { return nil, nil }))
		if _, err := empty.Confirm(t.Context(), "A-1", 1); !errors.Is(err, stock.ErrUnknownSKU) {
			t.Errorf("Confirm = %v, want ErrUnknownSKU", err)
		}
		slow := stock.NewShortages(&shelf{slow: time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := slow.Confirm(ctx, "A-1", 1); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Confirm = %v, want the context's end", err)
		}
		time.Sleep(2 * time.Second) // the shared read ends on its own
	})
}

// A promoted standby may lack the last versions. Its answer counts, though a higher version was
// known before.
func TestShortages_AreThoseOfTheLatestAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		short := stock.NewShortages(s)
		for _, version := range []int64{100, 99} {
			s.version.Store(version)
			if level, err := short.Confirm(t.Context(), "A-1", 1); err != nil || level.Version != version {
				t.Fatalf("Confirm() = %+v, %v; want version %d", level, err, version)
			}
			time.Sleep(2 * stock.Freshness)
		}
		s.version.Store(98)
		for range 3 {
			if _, err := short.Confirm(t.Context(), "A-1", 1); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.reads.Load(); got != 3 {
			t.Errorf("%d reads, want 3: the last answer serves all who ask within its time", got)
		}
	})
}

// Others may wait for a read, too: it does not end with the caller that began it.
func TestShortages_AReadOutlivesWhoBeganIt(t *testing.T) {
	t.Parallel()
	begun, left, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s := stock.NewShortages(levelsFunc(func(ctx context.Context, skus []string) ([]stock.Level, error) {
		close(begun)
		<-left
		ended <- ctx.Err()
		return []stock.Level{{SKU: skus[0]}}, nil
	}))
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { _, err := s.Confirm(ctx, "A", 1); gone <- err }()
	<-begun
	cancel()
	if err := <-gone; !errors.Is(err, stock.ErrUnavailable) {
		t.Errorf("Confirm = %v of a caller that left, want ErrUnavailable", err)
	}
	close(left)
	if err := <-ended; err != nil {
		t.Errorf("the read ended with its caller: %v", err)
	}
}
