package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that could not be read when it changed is read once it can be, although it does not
// change any more; until then the log says so once.
func TestReloader_TriesAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	var log bytes.Buffer
	r := &reloader{log: slog.New(slog.NewTextHandler(&log, nil))}
	loads, denied := 0, false
	load := func() error {
		if denied {
			return errors.New("permission denied")
		}
		loads++
		return nil
	}
	if err := r.follow("keys", load, file); err != nil {
		t.Fatal(err)
	}
	look := func() { r.followed[0].follow(r.log, false) }
	look()
	write("bb")
	denied = true
	for range 3 {
		look()
	}
	if got := strings.Count(log.String(), "permission denied"); loads != 1 || got != 1 {
		t.Errorf("loaded %d times, and said %d times why not; want once each\n%s", loads, got, &log)
	}
	denied = false
	for range 3 {
		look()
	}
	if loads != 2 {
		t.Errorf("loaded %d times, want once more when it could be read", loads)
	}
}
