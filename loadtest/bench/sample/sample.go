// Package sample is what one process of lockbench reports of its turns with a lock: each
// acquires it, holds it and releases it. It is all that the laboratory shares with lockbench,
// which is a module of its own.
package sample

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A Sample reports the turns of one process, and the lock that it took them with.
type Sample struct {
	Turns       int64   `json:"turns"`        // granted within the window
	HeldSeconds float64 `json:"held_seconds"` // how long those were held, in total
	Waits       string  `json:"waits"`        // histogram in microseconds, encoded: the waits that ended within the window or after it
	Overlaps    int64   `json:"overlaps"`     // turns granted while another held the lock; warm-up included
	Failures    int64   `json:"failures"`     // turns that failed
	Failure     string  `json:"failure"`      // the first of them

	About    string            `json:"about"`    // how the contender was set up
	Versions map[string]string `json:"versions"` // of the libraries, by name
}

// A Tally counts turns as they come. It is not safe for concurrent use.
type Tally struct {
	Sample
	waits Waits
}

// NewTally returns an empty tally.
func NewTally() *Tally { return &Tally{waits: NewWaits()} }

// Turn counts a turn of the window.
func (t *Tally) Turn(held time.Duration) {
	t.Turns++
	t.HeldSeconds += held.Seconds()
}

// Wait counts a wait.
func (t *Tally) Wait(d time.Duration) { t.waits.add(d) }

// Fail counts an error.
func (t *Tally) Fail(err error) {
	t.Failures++
	if t.Failure == "" {
		t.Failure = err.Error()
	}
}

// Add adds the counts of another tally.
func (t *Tally) Add(o *Tally) {
	t.Turns += o.Turns
	t.HeldSeconds += o.HeldSeconds
	t.Overlaps += o.Overlaps
	t.Failures += o.Failures
	if t.Failure == "" {
		t.Failure = o.Failure
	}
	t.waits.h.Merge(o.waits.h)
}

// Seal returns the sample, its histogram of waits included.
func (t *Tally) Seal() (Sample, error) {
	text, err := t.waits.h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return Sample{}, fmt.Errorf("encode the waits: %w", err)
	}
	s := t.Sample
	s.Waits = string(text)
	return s, nil
}

// Waits is a histogram of waits from a microsecond to ten minutes, with three
// significant digits.
type Waits struct{ h *hdrhistogram.Histogram }

// NewWaits returns an empty histogram.
func NewWaits() Waits {
	return Waits{hdrhistogram.New(1, (10 * time.Minute).Microseconds(), 3)}
}

// add counts a wait; one outside the histogram's range counts as its nearest end.
func (w Waits) add(d time.Duration) {
	_ = w.h.RecordValue(min(max(d.Microseconds(), 1), w.h.HighestTrackableValue()))
}

// Merge adds the waits of a sample.
func (w Waits) Merge(s Sample) error {
	h, err := hdrhistogram.Decode([]byte(s.Waits))
	if err != nil {
		return fmt.Errorf("decode the waits: %w", err)
	}
	w.h.Merge(h)
	return nil
}

// Quantile returns the qth percentile of the waits in milliseconds; 0 if there were none.
func (w Waits) Quantile(q float64) float64 { return float64(w.h.ValueAtQuantile(q)) / 1000 }

// Longest returns the longest wait in milliseconds.
func (w Waits) Longest() float64 { return float64(w.h.Max()) / 1000 }
