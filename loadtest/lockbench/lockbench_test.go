package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orderd/loadtest/bench/sample"
)

// free is a lock that is granted at once, or always fails with err.
type free struct{ err error }

func (f free) Lock(context.Context) error { return f.err }
func (free) Unlock(context.Context) error { return nil }

func freeFor(err error) opened {
	return opened{lock: func(string) lock { return free{err} }, close: func() {}}
}

func drives(t *testing.T, o opened, waiters int) *sample.Tally {
	t.Helper()
	tally, err := drive(t.Context(), o, settings{
		key: "key", referee: filepath.Join(t.TempDir(), "referee"), waiters: waiters,
		plan: plan{hold: 2 * time.Millisecond, window: 100 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

func TestDrive_TellsTwoTurnsAtOnce(t *testing.T) {
	t.Parallel()
	local, err := openLocal(servers{}, 4)
	if err != nil {
		t.Fatal(err)
	}
	defer local.close()
	if got := drives(t, local, 4); got.Turns == 0 || got.Overlaps != 0 || got.Failures != 0 {
		t.Errorf("a lock that holds: %+v", got.Sample)
	}
	if got := drives(t, freeFor(nil), 4); got.Turns == 0 || got.Overlaps == 0 {
		t.Errorf("no lock at all: %+v, want turns at once", got.Sample)
	}
	if got := drives(t, freeFor(nil), 1); got.Turns == 0 || got.Overlaps != 0 {
		t.Errorf("nobody else: %+v", got.Sample)
	}
}

func TestDrive_CountsErrorsAndKeepsTheFirst(t *testing.T) {
	t.Parallel()
	got := drives(t, freeFor(errors.New("gave up")), 2)
	if got.Turns != 0 || got.Failures < 2 || !strings.Contains(got.Failure, "gave up") {
		t.Errorf("a lock that fails: %+v", got.Sample)
	}
}

func TestReferee(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "referee")
	one, err := openReferee(path)
	if err != nil {
		t.Fatal(err)
	}
	defer one.close()
	other, err := openReferee(path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	for _, step := range []struct {
		who   *referee
		alone bool
	}{{one, true}, {other, false}} {
		if alone, err := step.who.enter(); alone != step.alone || err != nil {
			t.Errorf("enter() = %v, %v, want %v", alone, err, step.alone)
		}
	}
	one.leave()
	if alone, err := other.enter(); !alone || err != nil {
		t.Errorf("enter() after the other has left = %v, %v", alone, err)
	}
}

func TestRun_WaitsForTheStartAndTellsTheSample(t *testing.T) {
	t.Parallel()
	args := []string{"--contender", "local", "--key", "k", "--referee", filepath.Join(t.TempDir(), "referee"), "--warm-up", "0s", "--window", "50ms"}
	in, start := io.Pipe()
	out, write := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(args, in, write, func() { t.Error("gone, while the input was open") })
		write.Close()
		ended <- err
	}()
	ready := make([]byte, len("ready\n"))
	if _, err := io.ReadFull(out, ready); err != nil || string(ready) != "ready\n" {
		t.Fatalf("first it said %q, %v", ready, err)
	}
	if _, err := io.WriteString(start, "go\n"); err != nil {
		t.Fatal(err)
	}
	var s sample.Sample
	if err := json.NewDecoder(out).Decode(&s); err != nil || s.Turns == 0 || s.About == "" {
		t.Errorf("sample %+v, %v", s, err)
	}
	_, _ = io.Copy(io.Discard, out) // a newline
	if err := <-ended; err != nil {
		t.Error(err)
	}
	start.Close()
}

func TestRun_UsageErrorsNameTheFlag(t *testing.T) {
	t.Parallel()
	for _, row := range [][]string{
		{"--key", "--referee", "x"},
		{"--referee", "--key", "k"},
		{"--waiters", "--key", "k", "--referee", "x", "--waiters", "0"},
		{"--hold", "--key", "k", "--referee", "x", "--hold", "-1s"},
		{"--contender", "--key", "k", "--referee", "x", "--contender", "hope"},
	} {
		if err := run(row[1:], strings.NewReader(""), io.Discard, func() {}); err == nil || !strings.Contains(err.Error(), row[0]) {
			t.Errorf("%v: %v, want %s named", row[1:], err, row[0])
		}
	}
}

// What is measured must have the module versions that orderd is built with.
func TestSharedModulesHaveTheVersionsOfTheMainModule(t *testing.T) {
	t.Parallel()
	requires := func(file string) map[string]string {
		out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
		if err != nil {
			t.Fatal(err)
		}
		var mod struct {
			Require []struct{ Path, Version string }
		}
		if err := json.Unmarshal(out, &mod); err != nil {
			t.Fatal(err)
		}
		versions := map[string]string{}
		for _, r := range mod.Require {
			versions[r.Path] = r.Version
		}
		return versions
	}
	main, shared := requires("../../go.mod"), 0
	for path, version := range requires("go.mod") {
		if want, ok := main[path]; ok {
			shared++
			if version != want {
				t.Errorf("%s %s, the main module has %s", path, version, want)
			}
		}
	}
	if shared < 5 {
		t.Errorf("only %d modules are shared", shared)
	}
}
