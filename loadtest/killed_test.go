package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A laboratory that is killed in the middle of a run leaves no servers, replicas or files
// behind.
func TestKilled_LeavesNothing(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("/tmp", "loadtest-killed-")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	}()
	if err := os.Chmod(dir, 0o755); err != nil { // PostgreSQL, which runs as another user, has to pass
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "compare", "--orderd", orderd, "--modes", "redis", "--replicas", "2",
		"--stock", "1000000", "--orders", "1000001", "--results", filepath.Join(t.TempDir(), "results"))
	cmd.Env = append(os.Environ(), asLab+"=1", "TMPDIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	logs := func() (replicas int) {
		files, _ := filepath.Glob(filepath.Join(dir, "*", "logs", "*orderd-r2.log"))
		for _, file := range files {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), `"listening"`) {
				replicas++
			}
		}
		return replicas
	}
	await(t, "both replicas to serve", func() bool { return logs() > 0 })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed, which is an error
	await(t, "the folder to go", func() bool {
		left, err := os.ReadDir(dir)
		return err == nil && len(left) == 0
	})
	await(t, "the servers and replicas to end", func() bool {
		environments, _ := filepath.Glob("/proc/[0-9]*/environ") // without /proc, the folder has to do
		for _, file := range environments {
			if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), "TMPDIR="+dir+"\x00") {
				return false
			}
		}
		return true
	})
}

// await polls until done, for at most 2 minutes: what starts shares the machine with other
// tests.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 2 minutes for %s", what)
		}
	}
}
