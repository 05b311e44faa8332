package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// faults is a fixture, the result of a run of faults, with one cell undecided and one that is
// not as expected.
func faults(t *testing.T) Result {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "faults.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

const texts = `[...document.querySelectorAll("%s svg text")].map((text) => text.textContent)`

func TestPage_DrawsTheRowsInABrowser(t *testing.T) {
	t.Parallel()
	b := browse(t, example(), 1200)
	for id, words := range map[string][]string{
		"oversold": {"none × 1", "none × 3, predicate", "none", "2"},
		"rate":     {"local × 3", "3"},
		"latency":  {"zookeeper × 3", "milliseconds", "10"},
	} {
		got := ask[[]string](t, b, fmt.Sprintf(texts, "#chart-"+id))
		for _, want := range words {
			if !slices.Contains(got, want) {
				t.Errorf("chart %s has the texts %q, want %q among them", id, got, want)
			}
		}
		if label := ask[string](t, b, `document.getElementById("chart-`+id+`").getAttribute("aria-label")`); !strings.Contains(label, "local × 3") {
			t.Errorf("chart %s is called %q for those who do not see it", id, label)
		}
	}
	// Five rows with two marks each, and at least a band each.
	if n := ask[int](t, b, `document.querySelectorAll("#chart-latency svg path, #chart-latency svg circle, #chart-latency svg polygon").length`); n < 15 {
		t.Errorf("the latencies are drawn in %d shapes", n)
	}
	if ask[int](t, b, `document.querySelectorAll("#chart-oversold svg pattern").length`) == 0 {
		t.Error("the bars that oversold have no pattern")
	}
	b.quiet(t)
}

func TestPage_DrawsACellOfTheMatrixOnDemand(t *testing.T) {
	t.Parallel()
	r := faults(t)
	one := r.Cells
	for len(r.Cells) < 500 { // as many as a whole run may have
		for _, c := range one {
			c.Fault = fmt.Sprintf("%s, %d", c.Fault, len(r.Cells)/len(one))
			r.Cells = append(r.Cells, c)
		}
	}
	b := browse(t, r, 1300)
	if n := ask[int](t, b, `document.querySelectorAll("a.mark").length`); n < 500 {
		t.Errorf("the matrix has %d marks, want one for each of %d cells", n, len(r.Cells))
	}
	for _, row := range []struct {
		fault, lock, guard string
		want               []string
	}{
		{"holder paused past its lease, newcomer writes first", "redis", "none", []string{
			"holds the lock, token 33", "paused: SIGSTOP", "sold", "SOLD AGAIN", "the same unit", "lease of r1 expires", "lease ended, works on",
		}},
		{"holder paused past its lease, stale holder writes first", "zookeeper", "fence", []string{"two inside: 60.0 ms", "SOLD AGAIN"}},
		{"holder paused past its lease, newcomer writes first", "redis", "fence", []string{"refused: fence"}},
		{"replica cut off from its lock service, 3", "redis", "claim", []string{"cut off: redis", "refused: lease check"}},
		{"Sentinel failover that loses the lock, 5", "redis-sentinel", "none", []string{"down: kill -9", "promoted, without the lock"}},
	} {
		number := slices.IndexFunc(r.Cells, func(c Cell) bool { return c.Fault == row.fault && c.Lock == row.lock && c.Guard == row.guard })
		want := row.want
		ask[bool](t, b, fmt.Sprintf(`document.querySelector('a[href="#cell-%d"]').click() === undefined`, number))
		b.do(t, chromedp.WaitVisible(chromedp.CSS(fmt.Sprintf(`a[href="#cell-%d"][aria-current]`, number))))
		got := ask[[]string](t, b, fmt.Sprintf(texts, ".opened"))
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("cell %d has the texts %q, want %q among them", number, got, w)
			}
		}
		if title := ask[string](t, b, `document.querySelector(".opened h3").textContent`); !strings.HasPrefix(title, r.Cells[number].Fault) {
			t.Errorf("cell %d opens %q", number, title)
		}
		if n := ask[int](t, b, `document.querySelectorAll(".opened").length * 100 + document.querySelectorAll("svg").length`); n != 101 {
			t.Errorf("%d panels and charts, want one of each", n)
		}
		// Sixty milliseconds of two seconds must be visible.
		wide := ask[float64](t, b, `Math.max(0, ...[...document.querySelectorAll(".opened svg [opacity='0.13'], .opened svg [fill-opacity='0.13']")].map((shade) => shade.getBBox().width))`)
		if two := slices.Contains(row.want, "two inside: 60.0 ms"); two && wide < 80 {
			t.Errorf("cell %d shows that two were inside in %.0f of 1300", number, wide)
		}
		if rows := ask[int](t, b, `document.querySelectorAll(".opened table tbody tr").length`); rows != len(r.Cells[number].Timeline.Spans)+len(r.Cells[number].Timeline.Marks) {
			t.Errorf("the table of cell %d has %d rows", number, rows)
		}
	}
	b.quiet(t)
}

// Printed, the charts have the paper's width and its colours, and afterwards the window's
// again.
func TestPage_NarrowAndOnPaper(t *testing.T) {
	t.Parallel()
	both := faults(t)
	both.Cells = append(both.Cells, example().Cells...)
	b := browse(t, both, 400)
	if wide := ask[int](t, b, `document.documentElement.scrollWidth`); wide > 400 {
		t.Errorf("the page is %d wide in a window of 400", wide)
	}
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
	})
	width := `Number(document.querySelector("#chart-latency svg").getAttribute("width"))`
	colour := `getComputedStyle(document.querySelector(".opened svg text")).fill`
	narrow, dark := ask[int](t, b, width), ask[string](t, b, colour)
	ask[bool](t, b, `window.seen = "", addEventListener("beforeprint", () => { seen = [`+width+`, `+colour+`].join(" ") }), true`)
	pdf, err := chromedp.Run(b.ctx, chromedp.PrintToPDF(chromedp.PDFPrintBackground(), chromedp.PDFPreferCSSPageSize()))
	if err != nil || !bytes.HasPrefix(pdf, []byte("%PDF")) {
		t.Errorf("printed %d bytes: %v", len(pdf), err)
	}
	if seen := ask[string](t, b, "seen"); !strings.HasPrefix(seen, "1000 ") || strings.HasSuffix(seen, dark) {
		t.Errorf("on paper: %s, want 1000 wide and not in the colour %s of the dark screen", seen, dark)
	}
	if got := ask[int](t, b, width); got != narrow || got > 400 {
		t.Errorf("after printing a chart is %d wide, was %d", got, narrow)
	}
	b.quiet(t)
}

var (
	pictureFile = flag.String("picture", "", "file for the picture of a report")
	pictureOf   = flag.String("of", "", "the report.html that is pictured")
)

// TestPicture takes the picture of a report that the README shows: the matrix down to the
// cell that is open, or the charts. Without flags it takes one of the fixture and discards
// it.
func TestPicture(t *testing.T) {
	t.Parallel()
	var b *tab
	file := filepath.Join(t.TempDir(), "report.png")
	if *pictureFile == "" {
		b = browse(t, faults(t), 1280)
	} else {
		file = *pictureFile
		path, err := filepath.Abs(*pictureOf)
		if err != nil {
			t.Fatal(err)
		}
		b = browseFile(t, path, 1280)
	}
	type box struct{ Top, Bottom float64 }
	clip := ask[box](t, b, `(() => {
		const box = (selector) => document.querySelector(selector)?.getBoundingClientRect();
		const [top, bottom] = [box("#faults") || box(".charts"), box(".opened") || box(".charts")];
		return { Top: top.top + scrollY, Bottom: bottom.bottom + scrollY };
	})()`)
	shot := call(t, b, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
		CaptureBeyondViewport: new(true),
		Clip:                  &cdppage.Viewport{Y: clip.Top - 8, Width: 1280, Height: clip.Bottom - clip.Top + 24, Scale: 1},
	})
	if err := os.WriteFile(file, shot.Data, 0o644); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() < 20_000 {
		t.Errorf("the picture: %v, %v", info, err)
	}
	b.quiet(t)
}
