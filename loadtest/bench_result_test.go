package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The figures of a run are redrawn, and written into a document between its two marker lines,
// more than once.
func TestReport_OfABenchmark(t *testing.T) {
	t.Parallel()
	result, err := os.ReadFile(filepath.Join("testdata", "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	document := filepath.Join(dir, "speed.md")
	for file, text := range map[string][]byte{
		filepath.Join(dir, "result.json"): result,
		document:                          []byte("# Speed\n\n" + figuresBegin + "old figures\n" + figuresEnd + "\nThe end.\n"),
	} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if code, _, progress := lab(t, "report", dir, "--markdown", document); code != exitHeld {
			t.Fatalf("report = %d %s", code, progress)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "speed.golden.md")
	if *update {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s", golden, got)
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !bytes.Contains(page, []byte("‼ not met")) || !bytes.Contains(page, []byte(`id="speed-locks-2"`)) {
		t.Errorf("report.html has %d bytes, %v; want the goals and the locks in it", len(page), err)
	}
	words, err := os.ReadFile(filepath.Join(dir, "report.txt"))
	if err != nil || !bytes.Contains(words, []byte("2 of 3 goals met")) {
		t.Errorf("report.txt: %v\n%s", err, words)
	}

	if err := os.WriteFile(document, []byte("# Speed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, progress := lab(t, "report", dir, "--markdown", document); code != exitFailed || !strings.Contains(progress, "no place for the figures") {
		t.Errorf("report into a document without a place for it = %d %s, want 4 and why", code, progress)
	}
}
