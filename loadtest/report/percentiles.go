package report

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Percentiles of a set of durations, in milliseconds; zero of an empty set.
type Percentiles struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

type histogram struct{ h *hdrhistogram.Histogram }

// newHistogram holds durations from a microsecond to ten minutes with three
// significant digits.
func newHistogram() histogram {
	return histogram{hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)}
}

// add counts a duration; one beyond the histogram's range counts as its end.
func (h histogram) add(d time.Duration) {
	_ = h.h.RecordValue(min(max(d.Microseconds(), 1), h.h.HighestTrackableValue()))
}

func (h histogram) percentiles() Percentiles {
	if h.h.TotalCount() == 0 {
		return Percentiles{}
	}
	at := func(q float64) float64 { return float64(h.h.ValueAtQuantile(q)) / 1000 }
	return Percentiles{P50: at(50), P90: at(90), P99: at(99), Max: float64(h.h.Max()) / 1000}
}

// PercentilesOf summarises durations.
func PercentilesOf(durations []time.Duration) Percentiles {
	h := newHistogram()
	for _, d := range durations {
		h.add(d)
	}
	return h.percentiles()
}
