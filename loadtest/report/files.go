package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"orderd/loadtest/audit"
)

// Names of the files of a run.
const (
	resultFile  = "result.json"
	historyFile = "history.jsonl"
	pageFile    = "report.html"
	textFile    = "report.txt"
	logsFolder  = "logs"
	latestLink  = "latest"
)

// A Folder holds the files of one run.
type Folder struct{ dir string }

// NewFolder makes the folder of a run below root.
func NewFolder(root, command string, started time.Time) (Folder, error) {
	if root == "" {
		return Folder{}, errors.New("is empty")
	}
	f := Folder{filepath.Join(root, started.UTC().Format("20060102T150405.000Z")+"-"+command)}
	if err := os.MkdirAll(f.Logs(), 0o755); err != nil {
		return Folder{}, fmt.Errorf("make the results' folder: %w", err)
	}
	return f, nil
}

// Discard removes the folder of a run that came to nothing.
func (f Folder) Discard() error { return os.RemoveAll(f.dir) }

// DiscardEmpty removes the folder unless something was put into it.
func (f Folder) DiscardEmpty() {
	_ = os.Remove(f.Logs())
	_ = os.Remove(f.dir) // both fail if there is something in them
}

// A Document is what result.json holds: a Result, or one with a benchmark's figures beside it.
type Document interface {
	// Draw returns the contents of report.txt, nil if there is to be none, and of report.html.
	Draw() (text, html []byte, err error)
	schema() int
}

func (r Result) schema() int { return r.SchemaVersion }

// Finish writes all files of a run except its logs; history is nil for one that drove no
// orders. Then it points the link "latest", beside the folder, at it, so that this always is a
// finished run.
func (f Folder) Finish(d Document, history []audit.Records) error {
	var err error
	if history != nil {
		err = f.writeHistory(history)
	}
	if err := errors.Join(err, f.writeResult(d), f.Draw(d)); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return f.pointLatest()
}

func (f Folder) writeResult(d Document) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(f.path(resultFile), append(text, '\n'), 0o644)
}

// Draw writes report.html, and report.txt if the document has a text.
func (f Folder) Draw(d Document) error {
	text, html, err := d.Draw()
	if err != nil {
		return err
	}
	if text != nil {
		err = os.WriteFile(f.path(textFile), text, 0o644)
	}
	return errors.Join(err, os.WriteFile(f.Page(), html, 0o644))
}

// Read reads result.json.
func Read[D Document](f Folder) (D, error) {
	var d D
	text, err := os.ReadFile(f.path(resultFile))
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return d, fmt.Errorf("%s: %w", f.path(resultFile), err)
	}
	if d.schema() != SchemaVersion {
		return d, fmt.Errorf("%s has schema %d, this program reads %d", f.path(resultFile), d.schema(), SchemaVersion)
	}
	return d, nil
}

func (f Folder) pointLatest() error {
	root, name := filepath.Split(f.dir)
	// Created under another name and renamed over the old one, so that there always is one.
	latest, aside := filepath.Join(root, latestLink), filepath.Join(root, latestLink+"-"+name)
	if err := errors.Join(os.Symlink(name, aside), os.Rename(aside, latest)); err != nil {
		_ = os.Remove(aside)
		return fmt.Errorf("point %s at the run: %w", latest, err)
	}
	return nil
}

// OpenFolder opens the folder of a finished run.
func OpenFolder(dir string) (Folder, error) {
	f := Folder{dir}
	if _, err := os.Stat(f.path(resultFile)); err != nil {
		return Folder{}, fmt.Errorf("%s holds no finished run: %w", dir, err)
	}
	return f, nil
}

func (f Folder) path(name string) string { return filepath.Join(f.dir, name) }

// Page is the path of the report.
func (f Folder) Page() string { return f.path(pageFile) }

// Logs is the path of the folder for logs.
func (f Folder) Logs() string { return f.path(logsFolder) }
