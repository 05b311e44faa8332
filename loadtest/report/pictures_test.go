package report

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	cdppage "github.com/chromedp/cdproto/page"
)

// Pictures takes a picture of each group of charts of a benchmark's page, into
// dir, under the name that the page gives it, and returns the names.
func Pictures(t *testing.T, path, dir string) []string {
	t.Helper()
	b := browseFile(t, path, 1280)
	names := ask[[]string](t, b, `[...document.querySelectorAll("section[id]")].map((section) => section.id)`)
	type box struct{ X, Y, Width, Height float64 }
	for _, name := range names {
		at := ask[box](t, b, fmt.Sprintf(`(() => {
			const box = document.querySelector("#%s .charts").getBoundingClientRect();
			return { X: box.left + scrollX - 8, Y: box.top + scrollY - 8, Width: box.width + 16, Height: box.height + 16 };
		})()`, name))
		if texts := ask[[]string](t, b, fmt.Sprintf(texts, "#"+name)); len(texts) < 8 {
			t.Errorf("%s has the texts %q, want axes and names", name, texts)
		}
		shot := call(t, b, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{
			CaptureBeyondViewport: new(true),
			Clip:                  &cdppage.Viewport{X: at.X, Y: at.Y, Width: at.Width, Height: at.Height, Scale: 1},
		})
		if err := os.WriteFile(filepath.Join(dir, name+".png"), shot.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.quiet(t)
	return names
}
