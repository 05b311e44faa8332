package main

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"
)

// lookEvery is how often files are checked for changes. SIGHUP reloads them at once, but not
// everything that puts new files in place can send it.
const lookEvery = time.Second

// A reloader loads settings again when their files change, and on SIGHUP.
type reloader struct {
	log      *slog.Logger
	followed []*followed
}

type followed struct {
	name  string
	load  func() error
	files []string
	seen  []fs.FileInfo // as of the last load, nil where there is no file; nil if it failed
	fault string        // the last load's error
}

// follow loads now, and again when one of the files changes. It returns the error of the first
// load; later ones are logged, and leave the current settings in use.
func (r *reloader) follow(name string, load func() error, files ...string) error {
	f := &followed{name: name, load: load, files: files, seen: look(files)}
	r.followed = append(r.followed, f)
	return load()
}

// run follows the files until ctx ends. A hangup has them all loaded again.
func (r *reloader) run(ctx context.Context, hangups <-chan os.Signal) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		asked := false
		select {
		case <-ctx.Done():
			return
		case <-hangups:
			asked = true
		case <-ticker.C:
		}
		for _, f := range r.followed {
			f.follow(r.log, asked)
		}
	}
}

func (f *followed) follow(log *slog.Logger, asked bool) {
	now := look(f.files) // before the files are read: what changes meanwhile is seen next time
	if !asked && slices.EqualFunc(f.seen, now, same) {
		return
	}
	if err := f.load(); err != nil {
		// What was in the way may go without the files changing, such as their mode.
		f.seen = nil
		if asked || err.Error() != f.fault {
			log.Error("not reloaded: what was there before stays in use", "what", f.name, "err", err)
		}
		f.fault = err.Error()
		return
	}
	f.seen, f.fault = now, ""
	log.Info("reloaded", "what", f.name)
}

func look(files []string) []fs.FileInfo {
	infos := make([]fs.FileInfo, len(files))
	for i, file := range files {
		if info, err := os.Stat(file); err == nil {
			infos[i] = info
		}
	}
	return infos
}

func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
