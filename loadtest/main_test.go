package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"orderd/internal/locking"
	"orderd/loadtest/fleet"
	"orderd/loadtest/modes"
	"orderd/loadtest/report"
)

// orderd is the binary that the tests drive, built once.
var orderd string

// asLab makes the test binary behave as loadtest itself.
const asLab = "LOADTEST_TEST_AS_LOADTEST"

func TestMain(m *testing.M) {
	if os.Getenv(asLab) != "" {
		main()
		return
	}
	dir, err := os.MkdirTemp("", "orderd-loadtest-")
	if err != nil {
		panic(err)
	}
	orderd = filepath.Join(dir, "orderd")
	if out, err := exec.Command("go", "build", "-o", orderd, "orderd/cmd/orderd").CombinedOutput(); err != nil {
		panic(string(out))
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(dir); err != nil {
			panic(err)
		}
		os.Exit(code)
	}))
}

// lab runs the command in this process.
func lab(t *testing.T, args ...string) (code int, out, progress string) {
	t.Helper()
	var o, p bytes.Buffer
	code = run(&console{ctx: t.Context(), out: &o, progress: &p, arguments: args})
	return code, o.String(), p.String()
}

func TestCompare_ShowsAnOversellAndItsPrevention(t *testing.T) { // not in parallel: on a busy machine orders need not overlap
	results := t.TempDir()
	code, out, progress := lab(t, "compare", "--orderd", orderd, "--results", results, "--format", "json",
		"--modes", "local,redis", "--replicas", "3", "--stock", "40", "--orders", "160", "--clients", "24", "--work", "20ms")
	if code != exitHeld {
		t.Fatalf("exit %d\n%s\n%s", code, out, progress)
	}
	var r report.Result
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatalf("stdout is not the result alone: %v\n%s", err, out)
	}
	if len(r.Cells) != 3 {
		t.Fatalf("%d rows, want local, redis and the control of local", len(r.Cells))
	}
	for i, want := range []struct {
		lock      string
		clients   int
		oversells bool
		caughtBy  string
	}{{"local", 24, true, "nothing"}, {"redis", 24, false, "lock"}, {"local", 1, false, ""}} {
		c := r.Cells[i]
		if c.Lock != want.lock || c.Clients != want.clients || (c.Oversold > 0) != want.oversells ||
			c.CaughtBy != want.caughtBy || c.Orders.Confirmed != 40+int(c.Oversold) || !c.Met {
			t.Errorf("row %d = %+v, want %+v", i, c, want)
		}
		if c.LockWait.Max == 0 || c.Latency.P99 < c.Latency.P50 || c.OrdersPerSecond == 0 {
			t.Errorf("row %d was not measured: %+v", i, c)
		}
	}

	latest := filepath.Join(results, "latest")
	for _, file := range []string{"result.json", "history.jsonl", "report.html", "logs/orderd-r3.log", "logs/postgres.log"} {
		if info, err := os.Stat(filepath.Join(latest, file)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, want it there and not empty", file, err)
		}
	}
	if code, out, _ := lab(t, "audit", latest); code != exitHeld || !strings.Contains(out, "3 of 3 rows as expected") {
		t.Errorf("audit of the run = %d\n%s", code, out)
	}
	if code, _, progress := lab(t, "report", latest); code != exitHeld {
		t.Errorf("report of the run = %d %s", code, progress)
	}
	editHistory(t, filepath.Join(latest, "history.jsonl"))
	if code, out, _ := lab(t, "audit", latest); code != exitViolated || !strings.Contains(out, "AN INVARIANT FAILED") {
		t.Errorf("audit of an edited history = %d\n%s", code, out)
	}
}

// editHistory removes the last movement of the ledger.
func editHistory(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	last := -1
	for i, line := range lines {
		if strings.Contains(line, `"movement"`) {
			last = i
		}
	}
	if last < 0 {
		t.Fatalf("%s has no ledger", path)
	}
	if err := os.WriteFile(path, []byte(strings.Join(slices.Delete(lines, last, last+1), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestRun_DrivesADeploymentAndAuditsItOverHTTP(t *testing.T) {
	t.Parallel()
	f, err := fleet.Open(t.Context(), orderd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	replicas, err := f.Start(t.Context(), fleet.Setup{Mode: "local", Replicas: 3, Work: 20 * time.Millisecond, LockWait: 10 * time.Second, BatchMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	targets, results := strings.Join(replicas.URLs, ","), t.TempDir()
	for name, row := range map[string]struct {
		guard, expect string
		code          int
	}{
		"predicate holds":             {"predicate", "hold", exitHeld},
		"none breaks":                 {"none", "break", exitHeld},
		"none does not hold":          {"none", "hold", exitViolated},
		"predicate does not break":    {"predicate", "break", exitViolated},
		"a stock that never runs out": {"predicate", "either", exitUndecided},
	} {
		t.Run(name, func(t *testing.T) {
			orders := "150"
			if row.code == exitUndecided {
				orders = "10"
			}
			// Replicas in step with each other sell the last three units at once, if they are three.
			code, out, progress := lab(t, "run", "--target", targets, "--sku", strings.ReplaceAll(name, " ", "-"), "--guard", row.guard,
				"--expect", row.expect, "--stock", "31", "--orders", orders, "--clients", "24", "--results", results)
			if code != row.code {
				t.Errorf("exit %d, want %d\n%s\n%s", code, row.code, out, progress)
			}
		})
	}
	// The same SKU again: restocked, and judged from there on.
	code, out, progress := lab(t, "run", "--target", targets, "--sku", "predicate-holds", "--stock", "30", "--orders", "100", "--results", results)
	if code != exitHeld {
		t.Errorf("the second run of a SKU: exit %d\n%s\n%s", code, out, progress)
	}
}

func TestUsageErrorsNameTheFlag(t *testing.T) {
	t.Parallel()
	for _, row := range [][]string{
		{"--modes", "compare", "--modes", "hope"},
		{"--replicas", "compare", "--replicas", "0"},
		{"--guards", "compare", "--guards", "hope"},
		{"--modes", "compare", "--modes", ""},
		{"--replicas", "compare", "--replicas", ""},
		{"--guards", "compare", "--guards", ""},
		{"--modes", "soak", "--modes", ""},
		{"--clients", "compare", "--clients", "1"},
		{"--stock", "compare", "--stock", "0"},
		{"--orders", "compare", "--orders", "200"},
		{"--work", "compare", "--work", "-1s"},
		{"--lock-wait", "compare", "--lock-wait", "0s"},
		{"--timeout", "compare", "--timeout", "0s"},
		{"--format", "compare", "--format", "xml"},
		{"--only", "faults", "--only", ""},
		{"--modes", "faults", "--modes", ""},
		{"--guards", "faults", "--guards", ""},
		{"--rate", "soak", "--rate", "nan"},
		{"--work", "play", "--work", "-5s"},
		{"--lock-wait", "play", "--lock-wait", "1h"},
		{"--batch-max", "play", "--batch-max", "0"},
		{"--target", "run"},
		{"--target", "run", "--target", ""},
		{"--target", "run", "--target", "http://"},
		{"--target", "run", "--target", "http://127.0.0.1:99999"},
		{"--stock", "run", "--target", "http://x", "--stock", "1000000000001"},
		{"--target", "run", "--target", "localhost:8080"},
		{"--sku", "run", "--target", "http://x", "--sku", "a/b"},
		{"--expect", "run", "--target", "http://x", "--expect", "hope"},
		{"--quantity", "run", "--target", "http://x", "--quantity", "0"},
		{"--seeds", "selftest", "--seeds", "0"},
		{"--port", "play", "--port", "0"},
		{"--contenders", "bench", "locks", "--contenders", "hope"},
		{"--holds", "bench", "locks", "--holds", "2s"},
		{"--processes", "bench", "locks", "--processes", "17"},
		{"--waiters", "bench", "locks", "--processes", "1", "--waiters", "1"},
		{"--rounds", "bench", "locks", "--rounds", "0"},
		{"--window", "bench", "locks", "--window", "1ms"},
		{"--format", "bench", "locks", "--format", "xml"},
	} {
		code, out, progress := lab(t, row[1:]...)
		if code != exitUsage || out != "" || !strings.Contains(progress, row[0]) {
			t.Errorf("%v = %d %q %q, want exit 2 and %s named on stderr", row[1:], code, out, progress, row[0])
		}
	}
}

func TestCouldNotRun(t *testing.T) {
	t.Parallel()
	if code, _, _ := lab(t, "audit", t.TempDir()); code != exitFailed {
		t.Errorf("audit of no run = %d, want 4", code)
	}
	if code, _, progress := lab(t, "compare", "--orderd", "/nowhere/orderd", "--results", t.TempDir()); code != exitFailed || !strings.Contains(progress, "/nowhere/orderd") {
		t.Errorf("compare without orderd = %d %s, want 4 and the path", code, progress)
	}
}

// Where the results cannot be written is found before anything is started.
func TestResultsThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", file, filepath.Join(file, "below")} {
		code, out, progress := lab(t, "compare", "--orderd", orderd, "--results", dir)
		if code != exitFailed || out != "" || !strings.Contains(progress, "--results") || strings.Contains(progress, "starting") {
			t.Errorf("compare with the results in %q = %d %q %q, want 4, the flag, and nothing started", dir, code, out, progress)
		}
	}
}

// full is a file on a disk that is full.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestAResultThatCannotBePrintedIsNoSuccess(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"faults", "--list"}, {"selftest", "--seeds", "1"}} {
		var progress bytes.Buffer
		code := run(&console{ctx: t.Context(), out: full{}, progress: &progress, arguments: args})
		if code != exitFailed || !strings.Contains(progress.String(), "no space") {
			t.Errorf("%v to a full disk = %d %s, want 4 and why", args, code, progress.String())
		}
	}
}

// A guard that is named twice is tried once: a cell has a SKU of its own.
func TestFaults_NamesMayRepeat(t *testing.T) {
	t.Parallel()
	c := &faultsCommand{Only: []string{"race", "race"}, Modes: []string{"redis", "redis"}, Guards: []string{"none", "none"}, Repeat: 1, BatchMax: 1}
	if err := c.Validate(); err != nil || c.plan().Cells() != 1 {
		t.Errorf("%d cells, %v; want 1", c.plan().Cells(), err)
	}
}

func TestBenchLocks_WithoutItsProgram(t *testing.T) {
	t.Parallel()
	results := t.TempDir()
	code, _, progress := lab(t, "bench", "locks", "--contenders", "local", "--lockbench", "/nowhere/lockbench", "--results", results)
	if code != exitFailed || !strings.Contains(progress, "/nowhere/lockbench") {
		t.Errorf("bench locks without lockbench = %d %s, want 4 and the path", code, progress)
	}
	if logs, err := filepath.Glob(filepath.Join(results, "*-bench", "logs", "locks")); err != nil || len(logs) != 1 {
		t.Errorf("logs of the failed run: %v, %v", logs, err)
	}
}

// The judge has its own list of the modes, since it shares no code with orderd; here the two
// are compared.
func TestEveryLockModeIsCompared(t *testing.T) {
	t.Parallel()
	var theirs []string
	for _, m := range locking.Modes {
		theirs = append(theirs, string(m))
	}
	if ours := modes.Names(); !slices.Equal(theirs, ours) {
		t.Errorf("orderd has the modes %v, the laboratory compares %v", theirs, ours)
	}
}

func TestConsole_SaysWhatTheBarWouldHide(t *testing.T) {
	t.Parallel()
	var progress bytes.Buffer
	c := &console{ctx: t.Context(), progress: &progress, bars: true}
	b := c.track(1)
	c.say("oversold: %s", "NOT EXPECTED")
	b.stop()
	c.say("after it")
	if said := progress.String(); !strings.Contains(said, "oversold: NOT EXPECTED\n") || !strings.HasSuffix(said, "after it\n") {
		t.Errorf("said %q", said)
	}
}

func TestExpect(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mode              string
		replicas, clients int
		guard             string
		want              report.Expectation
	}{
		{"none", 1, 64, "none", report.Break},
		{"none", 3, 64, "fence", report.Break},
		{"none", 3, 64, "predicate", report.Hold},
		{"none", 3, 1, "none", report.Hold},
		{"local", 1, 64, "none", report.Hold},
		{"local", 2, 64, "none", report.Break},
		{"redis", 3, 64, "none", report.Hold},
		{"zookeeper", 3, 64, "none", report.Hold},
	} {
		if got := expect(row.mode, row.replicas, row.clients, row.guard); got != row.want {
			t.Errorf("expect(%+v) = %s", row, got)
		}
	}
}
