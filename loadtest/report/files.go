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
	wordsFile   = "report.txt"
	logsFolder  = "logs"
	latestLink  = "latest"
)

// A Folder holds the files of one run.
type Folder struct{ dir string }

// NewFolder makes the folder of a run below root.
func NewFolder(root, command string, started time.Time) (Folder, error) {
	f := Folder{filepath.Join(root, started.UTC().Format("20060102T150405.000Z")+"-"+command)}
	if err := os.MkdirAll(f.Logs(), 0o755); err != nil {
		return Folder{}, fmt.Errorf("make the results' folder: %w", err)
	}
	return f, nil
}

// Discard removes the folder of a run that came to nothing.
func (f Folder) Discard() error { return os.RemoveAll(f.dir) }

// Finish writes all files of a run except its logs. Then it points the link "latest", beside
// the folder, at it, so that this always is a finished run.
func (f Folder) Finish(r Result, cells []audit.Records) error {
	if err := errors.Join(f.writeHistory(cells), f.Write(r)); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return f.pointLatest()
}

// FinishFigures writes the files of a run that drove no orders: result.json (document, a
// Result with the figures beside it), report.txt and report.html. It then points "latest" at
// the folder as Finish does.
func (f Folder) FinishFigures(document any, text, page []byte) error {
	if err := errors.Join(f.writeResult(document), f.WriteFigures(text, page)); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return f.pointLatest()
}

func (f Folder) writeResult(document any) error {
	text, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(f.path(resultFile), append(text, '\n'), 0o644)
}

// WriteFigures writes report.txt and report.html of such a run.
func (f Folder) WriteFigures(text, page []byte) error {
	return errors.Join(os.WriteFile(f.Words(), text, 0o644), os.WriteFile(f.Page(), page, 0o644))
}

// ReadFigures reads result.json of such a run into its document.
func (f Folder) ReadFigures(document any) error {
	text, err := os.ReadFile(f.path(resultFile))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, document); err != nil {
		return fmt.Errorf("%s: %w", f.path(resultFile), err)
	}
	return nil
}

func (f Folder) pointLatest() error {
	root, name := filepath.Split(f.dir)
	// Created under another name and renamed over the old one, so that there always is one.
	latest, aside := filepath.Join(root, latestLink), filepath.Join(root, latestLink+"-"+name)
	if err := errors.Join(os.Symlink(name, aside), os.Rename(aside, latest)); err != nil {
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

// Words is the path of the report of a benchmark, for a terminal.
func (f Folder) Words() string { return f.path(wordsFile) }

// Logs is the path of the folder for logs.
func (f Folder) Logs() string { return f.path(logsFolder) }

// Write writes result.json and report.html.
func (f Folder) Write(r Result) error {
	if err := f.writeResult(r); err != nil {
		return err
	}
	page, err := os.Create(f.Page())
	if err != nil {
		return err
	}
	return errors.Join(HTML(page, r), page.Close())
}

// Read reads result.json.
func (f Folder) Read() (Result, error) {
	var r Result
	if err := f.ReadFigures(&r); err != nil {
		return r, err
	}
	if r.SchemaVersion != SchemaVersion {
		return r, fmt.Errorf("%s has schema %d, this program reads %d", f.path(resultFile), r.SchemaVersion, SchemaVersion)
	}
	return r, nil
}
