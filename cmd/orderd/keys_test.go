package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// newKey makes a key with orderd keys new, as an operator does.
func newKey(t *testing.T, client, role string) (key, line string) {
	t.Helper()
	out, err := runHere(t, "keys", "new", "--client", client, "--role", role)
	if err != nil {
		t.Fatal(err)
	}
	key, line, ok := strings.Cut(strings.TrimSpace(out), "\n")
	if !ok || strings.Contains(line, key) {
		t.Fatalf("keys new = %q, want the key, and a line without it", out)
	}
	return key, line
}

func writeLines(t *testing.T, file string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (r *replica) statusWith(t *testing.T, key, method, path, body string) int {
	t.Helper()
	as := *r
	as.key = key
	status, _ := as.send(t, method, path, body)
	return status
}

// A key is rotated without a moment at which its client is locked out, and without a restart:
// by a new file, with SIGHUP or without.
func TestKeys_RotateWhileServing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	admin, adminLine := newKey(t, "ops", "admin")
	first, firstLine := newKey(t, "shop", "buyer")
	second, secondLine := newKey(t, "shop", "buyer")
	writeLines(t, file, adminLine, firstLine)
	r := newDeployment(t).start(t, "r1", "redis", "--api-keys", file)
	r.key = admin
	r.mustSet(t, "A-1", 10, "predicate")
	place := func(key string) int { return r.statusWith(t, key, http.MethodPost, "/v1/orders", orderOne) }

	if a, b := place(first), place(second); a != http.StatusCreated || b != http.StatusUnauthorized {
		t.Fatalf("before: %d with the first key, %d with the second; want 201 and 401", a, b)
	}
	writeLines(t, file, adminLine, firstLine, secondLine)
	await(t, "the second key to be let in", func() bool { return place(second) == http.StatusCreated })
	if a := place(first); a != http.StatusCreated {
		t.Errorf("between: %d with the first key, want both let in", a)
	}
	writeLines(t, file, adminLine, "shop buyer nonsense")
	if err := r.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the log to tell of the bad file", func() bool { return strings.Contains(r.log(t), "line 2: hash") })
	if a, b := place(first), place(second); a != http.StatusCreated || b != http.StatusCreated {
		t.Errorf("after a bad file: %d and %d, want both still let in", a, b)
	}
	writeLines(t, file, adminLine, secondLine)
	if err := r.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "the first key to be refused", func() bool { return place(first) == http.StatusUnauthorized })
	if b := place(second); b != http.StatusCreated {
		t.Errorf("after: %d with the second key, want 201", b)
	}
}

func (r *replica) log(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(r.LogFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// No key, right or wrong, and no hash is exposed: not in the log at debug level, in the
// arguments or in the metrics.
func TestKeys_ShowNowhere(t *testing.T) {
	t.Parallel()
	d := newDeployment(t)
	admin, adminLine := newKey(t, "ops", "admin")
	buyer, buyerLine := newKey(t, "shop", "buyer")
	d.env = []string{keysVariable + "=" + adminLine + "\n" + buyerLine}
	r := d.start(t, "r1", "redis", "--log-level", "debug")
	r.key = admin
	r.mustSet(t, "A-1", 10, "predicate")
	const canary = "orderd_CANARYCANARYCANARYCANARY00"
	for _, key := range []string{buyer, canary} {
		for _, path := range []string{"/v1/orders", "/v1/stock/A-1", "/v1/stock/A-1/movements", "/v1/nothing", "/v1/orders?key=" + key} {
			r.statusWith(t, key, http.MethodGet, path, "")
		}
		r.statusWith(t, key, http.MethodPost, "/v1/orders", orderOne)
		r.statusWith(t, key, http.MethodPost, "/v1/orders", "{")
	}
	cmdline, err := os.ReadFile(filepath.Join("/proc", itoa(r.Pid()), "cmdline"))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // without /proc there is only ps, which reads the arguments that we passed
		t.Fatal(err)
	}
	hash := buyerLine[strings.LastIndex(buyerLine, " ")+1:]
	for where, text := range map[string]string{
		"the log": r.log(t), "the arguments": string(cmdline), "/metrics": read(t, r.admin+"/metrics"),
	} {
		for what, secret := range map[string]string{"the admin's key": admin, "the buyer's key": buyer, "a wrong key": canary, "a hash": hash} {
			if strings.Contains(text, secret) {
				t.Errorf("%s shows %s", where, what)
			}
		}
	}
	if !strings.Contains(r.log(t), `"client":"shop"`) {
		t.Error("the log does not tell who asked")
	}
}

func TestRun_KeysThatCannotBe(t *testing.T) {
	t.Parallel()
	for flag, args := range map[string][]string{
		"--client": {"--client", "a b", "--role", "buyer"},
		"--role":   {"--client", "a", "--role", "root"},
	} {
		if out, err := runHere(t, append([]string{"keys", "new"}, args...)...); err == nil || !strings.Contains(err.Error(), flag) || exitCode(err) != 2 {
			t.Errorf("keys new %v = %q, %v; want a usage error that names %s", args, out, err, flag)
		}
	}
	key, line := newKey(t, "shop", "buyer")
	file := filepath.Join(t.TempDir(), "keys")
	writeLines(t, file, "shop buyer "+key)
	servers := []string{"serve", "--database-url", "postgres://127.0.0.1/x", "--redis-url", "redis://127.0.0.1", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"}
	for name, value := range map[string]string{"nothing": "", "a file that is not there": file + "x", "a key as the argument": key, "a line as the argument": line, "a key instead of its hash": file} {
		_, err := runHere(t, append(servers, "--api-keys", value)...)
		if err == nil || !strings.Contains(err.Error(), "--api-keys") || strings.Contains(err.Error(), key) || strings.Contains(err.Error(), line) {
			t.Errorf("%s: serve = %v, want an error that names the flag and not what it holds", name, err)
		}
	}
}

// Without keys every route is open, and then only this machine may connect.
func TestServe_BeyondLoopbackOnlyWithKeysOrInsecure(t *testing.T) {
	d := newDeployment(t) // not parallel: it sets the environment of this process
	_, line := newKey(t, "shop", "buyer")
	base := []string{"serve", "--database-url", d.database, "--redis-url", d.stock, "--admin-listen", "127.0.0.1:0", "--lock-mode", "none", "--drain-delay", "0s"}
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		if _, err := runHere(t, append(base, "--listen", listen)...); !errors.Is(err, errUsage) || !strings.Contains(err.Error(), "--listen") {
			t.Errorf("serve on %s without keys = %v, want a usage error", listen, err)
		}
	}
	if out, err := serveUntilListening(t, append(base, "--listen", "0.0.0.0:0", "--insecure")...); err != nil {
		t.Errorf("serve beyond loopback, insecure = %v\n%s", err, out)
	}
	t.Setenv(keysVariable, line)
	if out, err := serveUntilListening(t, append(base, "--listen", "0.0.0.0:0")...); err != nil {
		t.Errorf("serve beyond loopback with keys = %v\n%s", err, out)
	}
}

// serveUntilListening runs orderd in this process until it says that it listens.
func serveUntilListening(t *testing.T, args ...string) (log string, err error) {
	t.Helper()
	ctx, cancel := contextWithTimeout(t, 20*time.Second)
	defer cancel()
	out := &notifier{text: `"listening"`, seen: cancel}
	err = run(ctx, args, out, out)
	if !out.told() {
		err = errors.Join(err, errors.New("it never said that it listens"))
	}
	return out.String(), err
}
