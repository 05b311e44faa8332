package report

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Percentiles of a set of durations, in milliseconds; zero for an empty set.
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

// add counts a duration; one outside the histogram's range counts as its nearest end.
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

// A Bucket is how many orders took at most UpTo, and longer than the bucket before: ten
// buckets for each power of ten. Empty ones are left out.
type Bucket struct {
	UpTo   float64 `json:"up_to_ms"`
	Orders int64   `json:"orders"`
}

func (h histogram) buckets() []Bucket {
	var buckets []Bucket
	for _, bar := range h.h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		n := math.Ceil(10*math.Log10(float64(bar.To)/1000) - 1e-9)
		upTo := math.Round(math.Pow(10, n/10)*1e4) / 1e4
		if last := len(buckets) - 1; last >= 0 && buckets[last].UpTo == upTo {
			buckets[last].Orders += bar.Count
			continue
		}
		buckets = append(buckets, Bucket{upTo, bar.Count})
	}
	return buckets
}

// PercentilesOf summarises durations.
func PercentilesOf(durations []time.Duration) Percentiles {
	h := newHistogram()
	for _, d := range durations {
		h.add(d)
	}
	return h.percentiles()
}
