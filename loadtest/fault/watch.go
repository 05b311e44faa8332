package fault

import (
	"context"
	"strconv"
	"time"

	"orderd/loadtest/load"
	"orderd/loadtest/report"
)

// watch records who holds the lock, by polling, until ctx ends.
func (s *Scene) watch(ctx context.Context) {
	again := time.NewTicker(2 * lookEvery)
	defer again.Stop()
	var last load.Lock
	for {
		now, err := s.observer.Lock(ctx, s.sku)
		if err == nil && now.Owner != last.Owner {
			if last.Held {
				s.timeline.End(last.Replica(), report.Holds)
			}
			if now.Held {
				s.holds(now)
			}
			last = now
		}
		select {
		case <-ctx.Done():
			if last.Held {
				s.timeline.End(last.Replica(), report.Holds)
			}
			return
		case <-again.C:
		}
	}
}

func (s *Scene) holds(l load.Lock) {
	label := "holds the lock"
	if l.Token != 0 {
		label += ", token " + strconv.FormatInt(l.Token, 10)
	}
	s.timeline.BeginLease(l.Replica(), report.Holds, label, l.Token)
}
