package fault

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// A recorder collects the spans and marks of a timeline.
type recorder struct {
	mu    sync.Mutex
	spans []report.Span // To is negative while it lasts
	marks []report.Mark
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (r *recorder) begin(lane string, kind report.SpanKind, label string, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, report.Span{Lane: lane, Kind: kind, Label: label, From: ms(at), To: -1})
}

// end ends the lane's spans of that kind.
func (r *recorder) end(lane string, kind report.SpanKind, at time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.spans {
		if s := &r.spans[i]; s.Lane == lane && s.Kind == kind && s.To < 0 {
			s.To = ms(at)
		}
	}
}

func (r *recorder) mark(m report.Mark) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.marks = append(r.marks, m)
}

// watch records who holds the lock, by polling, until ctx ends.
func (s *Scene) watch(ctx context.Context) {
	again := time.NewTicker(2 * lookEvery)
	defer again.Stop()
	var last load.Lock
	for {
		now, err := s.observer.Lock(ctx, s.sku)
		at := time.Since(s.clock)
		if err == nil && now.Owner != last.Owner {
			if last.Held {
				s.timeline.end(last.Replica(), report.Holds, at)
			}
			if now.Held {
				s.timeline.hold(now, at)
			}
			last = now
		}
		select {
		case <-ctx.Done():
			if last.Held {
				s.timeline.end(last.Replica(), report.Holds, time.Since(s.clock))
			}
			return
		case <-again.C:
		}
	}
}

func (r *recorder) hold(l load.Lock, at time.Duration) {
	label := "holds the lock"
	if l.Token != 0 {
		label += ", token " + strconv.FormatInt(l.Token, 10)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spans = append(r.spans, report.Span{
		Lane: l.Replica(), Kind: report.Holds, Label: label, From: ms(at), To: -1, Token: l.Token,
	})
}

// finish ends the spans that still last, and gives every span and mark a lane.
func (*recorder) finish(t *report.Timeline, over time.Duration) {
	lane := func(name string) {
		if !slices.Contains(t.Lanes, name) {
			t.Lanes = append(t.Lanes, name)
		}
	}
	for i := range t.Spans {
		if t.Spans[i].To < 0 {
			t.Spans[i].To = ms(over)
		}
		lane(t.Spans[i].Lane)
	}
	for _, m := range t.Marks {
		lane(m.Lane)
	}
}
