package report_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"orderd/loadtest/bench"
	"orderd/loadtest/bench/locks"
	"orderd/loadtest/bench/orders"
	"orderd/loadtest/report"
)

var picturesIn = flag.String("pictures", "", "folder for the pictures of a benchmark's report, which -of names")

// TestPictures takes the pictures that docs/speed.md shows. Without flags it takes those of a
// fixture and discards them.
func TestPictures(t *testing.T) {
	t.Parallel()
	path, dir := flag.Lookup("of").Value.String(), *picturesIn
	if dir == "" {
		dir = t.TempDir()
		path = filepath.Join(dir, "report.html")
		writePage(t, path)
	}
	names := report.Pictures(t, path, dir)
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name+".png")); err != nil || info.Size() < 8_000 {
			t.Errorf("the picture %s: %v, %v", name, info, err)
		}
	}
	if len(names) == 0 {
		t.Error("the page has no charts")
	}
}

// writePage writes the page of the fixture.
func writePage(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		report.Result
		Orders orders.Figures
		Locks  locks.Figures
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	page := bench.Page{Result: r.Result, Goals: r.Orders.Goals, Parts: append(r.Orders.Parts(), r.Locks.Parts()...)}
	if err := page.HTML(file); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
