package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"

	"orderd/loadtest/report"
)

// say reports progress: above the bar, if there is one.
func (c *console) say(format string, args ...any) {
	if b := c.bar.Load(); b != nil {
		b.writer.Log(format, args...)
		return
	}
	fmt.Fprintf(c.progress, format+"\n", args...)
}

// A checkedWriter remembers its first error, which those who print a table ignore.
type checkedWriter struct {
	io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.err = cmp.Or(w.err, err)
	return n, err
}

// pointTo ends a text result with the path of the report. JSON on stdout is the result alone.
func (c *console) pointTo(format string, f report.Folder) error {
	if format == "json" {
		c.say("report: %s", f.Page())
		return nil
	}
	_, err := fmt.Fprintf(c.out, "Report: %s\n", f.Page())
	return err
}

// A bar shows how far a run is: a moving line on a terminal, a line for each part elsewhere.
type bar struct {
	console *console
	writer  progress.Writer // nil unless on a terminal
	tracker *progress.Tracker
	part    string
	began   time.Time
}

func (c *console) track(total int) *bar {
	b := &bar{console: c}
	if !c.bars {
		return b
	}
	b.writer = progress.NewWriter()
	b.writer.SetOutputWriter(c.progress)
	if width, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil {
		b.writer.SetTerminalWidth(width - 1) // a line that fills the terminal would be two
	}
	b.writer.SetUpdateFrequency(100 * time.Millisecond)
	b.writer.SetStyle(progress.StyleBlocks)
	b.writer.Style().Visibility.Value = false
	b.writer.Style().Options.TimeInProgressPrecision = time.Second
	b.writer.Style().Options.TimeDonePrecision = time.Second
	b.writer.SetTrackerPosition(progress.PositionRight)
	b.tracker = &progress.Tracker{Message: "starting replicas", Total: int64(total)}
	b.writer.AppendTracker(b.tracker)
	c.bar.Store(b)
	go b.writer.Render() // ends with stop, unless it has not begun by then
	for !b.writer.IsRenderInProgress() {
		time.Sleep(time.Millisecond)
	}
	return b
}

// begin names the part that begins.
func (b *bar) begin(format string, args ...any) {
	b.part, b.began = fmt.Sprintf(format, args...), time.Now()
	if b.tracker != nil {
		b.tracker.UpdateMessage(b.part)
	}
}

// step counts one order.
func (b *bar) step() {
	if b.tracker != nil {
		b.tracker.Increment(1)
	}
}

// end says how the part went.
func (b *bar) end(format string, args ...any) {
	if b.writer == nil {
		b.console.say("%s: %s (%.1f s)", b.part, fmt.Sprintf(format, args...), time.Since(b.began).Seconds())
	}
}

// done counts the part as one, and says how it went.
func (b *bar) done(format string, args ...any) {
	b.step()
	b.end(format, args...)
}

// passed says how a part went that ran in parallel with others.
func (b *bar) passed(part, outcome string) {
	if b.tracker != nil {
		b.tracker.UpdateMessage(part)
	} else {
		b.console.say("%s: %s", part, outcome)
	}
}

// stop ends the bar.
func (b *bar) stop() {
	if b.writer == nil {
		return
	}
	b.tracker.UpdateMessage("done")
	b.tracker.MarkAsDone()
	b.writer.Stop()
	for b.writer.IsRenderInProgress() {
		time.Sleep(10 * time.Millisecond) // nothing else reports its end
	}
	b.console.bar.Store(nil)
}
